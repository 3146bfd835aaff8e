// What help shows beside options: an example of each command that it would take, and every variable that the code looks at.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findCommand, parseInput } from "./arguments.ts";
import { commands } from "./commands/index.ts";
import { environment } from "./environment.ts";
import { examples } from "./examples.ts";
import { commandHelp } from "./help.ts";

test("every command has an example, and no example is of a command that is not there", () => {
  const paths = commands.map(({ path }) => path.join(" "));
  assert.deepEqual(Object.keys(examples).sort(), paths.sort());
});

test("each example is of the command that it stands under, whose options and arguments take it", async () => {
  for (const [name, lines] of Object.entries(examples)) {
    for (const line of lines) {
      // As a shell would take them: quotes keep patterns from it.
      const [program, ...words] = line.replaceAll("'", "").split(" ");
      assert.equal(program, "kelpie");
      const found = findCommand(commands, words);
      assert.equal(found?.entry.path.join(" "), name, line);
      const command = await found.entry.load();
      const { positionals } = parseInput(command, found.rest, found.entry.path);
      const required = (command.positionals ?? "").replace(/\[.*?\]| \|.*|--/g, "").match(/[A-Z]+/g) ?? [];
      assert.ok(positionals.length >= required.length, `${line}: ${command.positionals ?? ""}`);
      const text = commandHelp(found.entry, command, 80);
      assert.ok(text.includes(`\n  ${line}\n`), text);
      for (const shown of text.split("\n")) assert.ok(shown.length <= 80, shown);
    }
  }
});

test("the variables that help names are those that the code looks at", () => {
  const packages = join(import.meta.dirname, "../..");
  const sources = readdirSync(packages, { recursive: true, encoding: "utf8" }).filter(
    (path) => path.includes("/src/") && /\.ts$/.test(path) && !/test|bench|node_modules/.test(path),
  );
  const found = sources.flatMap((path) =>
    [
      ...readFileSync(join(packages, path), "utf8").matchAll(/environment\["((?:KELPIE|SOURCE)_[A-Z_]+)"\]/g),
    ].map(([, name = ""]) => name),
  );
  assert.deepEqual([...new Set(found)].sort(), environment.map(([name]) => name).sort());
});
