// How words become commands and options.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { findCommand, parseInput } from "./arguments.ts";
import { command, type CommandEntry } from "./command.ts";

const nothing = (): Promise<number> => Promise.resolve(0);
const list = command({ options: { json: { type: "boolean", help: "" } }, run: nothing });
const run = command({
  positionals: "-- COMMAND",
  passThrough: true,
  options: {
    image: { type: "string", short: "i", help: "" },
    verbose: { type: "boolean", help: "" },
  },
  run: nothing,
});
const imagesEntry: CommandEntry = { path: ["images"], summary: "", load: () => Promise.resolve(run) };
const listEntry: CommandEntry = { path: ["images", "list"], summary: "", load: () => Promise.resolve(list) };

test("the longest command that the words name is found", () => {
  assert.deepEqual(findCommand([imagesEntry, listEntry], ["images", "list", "--json"]), {
    entry: listEntry,
    rest: ["--json"],
  });
  assert.equal(findCommand([imagesEntry, listEntry], ["images", "else"])?.entry, imagesEntry);
  assert.equal(findCommand([imagesEntry, listEntry], ["nothing"]), undefined);
});

for (const { words, options, positionals } of [
  { words: ["--", "ls", "--all"], options: {}, positionals: ["ls", "--all"] },
  { words: ["--image", "1.0", "ls", "--image"], options: { image: "1.0" }, positionals: ["ls", "--image"] },
  {
    words: ["--image=1.0", "--verbose", "--", "--", "x"],
    options: { image: "1.0", verbose: true },
    positionals: ["--", "x"],
  },
  { words: ["-i", "1.0", "ls", "--", "-x"], options: { image: "1.0" }, positionals: ["ls", "--", "-x"] },
  { words: [], options: {}, positionals: [] },
]) {
  test(`the guest's words are left alone in: run ${words.join(" ")}`, () => {
    const input = parseInput(run, words);
    assert.deepEqual({ ...input.options }, options);
    assert.deepEqual(input.positionals, positionals);
  });
}

for (const [name, given, words] of [
  ["list", list, ["--unknown"]],
  ["list", list, ["extra"]],
  ["list", list, ["--json=yes"]],
  ["run", run, ["--image"]],
  ["run", run, ["--image", "--verbose", "--", "ls"]],
] as const) {
  test(`one clear line refuses: ${name} ${words.join(" ")}`, () => {
    assert.throws(
      () => parseInput(given, words),
      (error) => KelpieError.is(error) && error.code === "usage" && !error.message.includes("\n"),
    );
  });
}

test("an option that may be given often is a list", () => {
  const often = command({
    options: { mount: { type: "string", multiple: true, help: "" } },
    run: (_, { options }) => Promise.resolve(options.mount?.length ?? 0),
  });
  assert.deepEqual(parseInput(often, ["--mount", "a", "--mount=b"]).options["mount"], ["a", "b"]);
});

test("a word that the usage line has no place for is refused, and named", () => {
  const one = command({ positionals: "SANDBOX [PROCESS]", options: {}, run: nothing });
  const any = command({ positionals: "SANDBOX…", options: {}, run: nothing });
  assert.deepEqual(parseInput(one, ["a", "b"]).positionals, ["a", "b"]);
  assert.deepEqual(parseInput(any, ["a", "b", "c"]).positionals, ["a", "b", "c"]);
  assert.throws(
    () => parseInput(one, ["a", "b", "c"], ["sandbox", "attach"]),
    (error) =>
      KelpieError.is(error) && error.code === "usage" && /Unexpected argument "c"/.test(error.message),
  );
});
