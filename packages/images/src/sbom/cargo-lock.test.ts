import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { cargoProgram } from "./cargo-lock.ts";

const path = join(import.meta.dirname, "../../../../guest/Cargo.lock");

test("the guest's programs and their crates are read from the lock that Cargo wrote", async () => {
  const text = await readFile(path, "utf8");
  const [init, agent] = ["kelpie-init", "kelpie-guest"].map((name) => cargoProgram(text, name, path));
  assert.ok(init !== undefined && agent !== undefined);
  assert.ok(init.crates.some(({ name }) => name === "libc"));
  assert.ok(agent.crates.length > init.crates.length);
  for (const crate of agent.crates) {
    assert.ok(text.includes(`name = "${crate.name}"\nversion = "${crate.version}"\n`), crate.name);
    assert.ok(text.includes(`checksum = "${crate.sha256}"`), crate.name);
    assert.equal(crate.purl, `pkg:cargo/${crate.name}@${crate.version.replaceAll("+", "%2B")}`);
  }
});

for (const [what, text, code] of [
  ["an empty lock", "", "malformed"],
  ["a lock without the program", '[[package]]\nname = "other"\nversion = "1.0.0"\n', "not-found"],
  [
    "a dependency that is nowhere",
    '[[package]]\nname = "me"\nversion = "1.0.0"\ndependencies = [\n "gone",\n]\n',
    "malformed",
  ],
  [
    "a crate of another registry",
    '[[package]]\nname = "me"\nversion = "1.0.0"\ndependencies = [\n "x",\n]\n\n[[package]]\nname = "x"\nversion = "1.0.0"\nsource = "git+https://example.org/x"\n',
    "malformed",
  ],
  [
    "dependencies in another form",
    '[[package]]\nname = "me"\nversion = "1.0.0"\ndependencies = ["x"]\n',
    "malformed",
  ],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => cargoProgram(text, "me", "here/Cargo.lock"),
      (error) => KelpieError.is(error) && error.code === code && error.where === "here/Cargo.lock",
    );
  });
}
