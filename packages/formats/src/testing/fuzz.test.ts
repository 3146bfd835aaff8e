import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { fuzz } from "./fuzz.ts";
import { scratchDirectory } from "./tools.ts";

const variables = ["KELPIE_FUZZ_OUTPUT", "KELPIE_FUZZ_ONLY", "KELPIE_FUZZ_REPLAY"] as const;
const before = variables.map((name) => [name, process.env[name]] as const);

afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
});

/** Refuses what is short, and breaks on a byte that only a mutation makes. */
function brittle(input: Uint8Array): void {
  if (input.length < 4) throw new KelpieError("malformed", "Too short");
  if (input.includes(0xff)) throw new RangeError("broken");
}

test("the input on which a parser breaks is saved, tells how often it was tried, and breaks it again alone", async () => {
  using scratch = scratchDirectory();
  process.env["KELPIE_FUZZ_OUTPUT"] = scratch.path;
  const target = { name: "brittle", corpus: [Buffer.from("corpus")], run: brittle };
  await assert.rejects(
    fuzz(target),
    /The parser of "brittle" fails on \d+ bytes: \/.*brittle-[0-9a-f]{12}\.bin: /,
  );
  const saved = readdirSync(scratch.path).map((name) => join(scratch.path, name));
  assert.equal(saved.length, 1);
  assert.ok(readFileSync(saved[0] ?? "").includes(0xff));
  process.env["KELPIE_FUZZ_REPLAY"] = saved[0];
  await assert.rejects(fuzz(target), /fails on/);
  await fuzz({ ...target, run: () => undefined });
  process.env["KELPIE_FUZZ_ONLY"] = "another";
  await fuzz(target);
});

test("a run is written down with what was taken and what refused", async () => {
  using scratch = scratchDirectory();
  process.env["KELPIE_FUZZ_OUTPUT"] = scratch.path;
  const run = (input: Uint8Array): void => brittle(input.filter((byte) => byte !== 0xff));
  const result = await fuzz({ name: "sound", corpus: [Buffer.from("corpus")], run, runs: 100 });
  assert.ok(result.accepted > 0 && result.refused > 0);
  const written: unknown = JSON.parse(readFileSync(join(scratch.path, "runs.jsonl"), "utf8"));
  assert.ok(typeof written === "object" && written !== null && "seconds" in written);
  const { seconds, ...rest } = written;
  assert.ok(Number(seconds) > 0);
  assert.deepEqual(rest, { name: "sound", executions: 100, ...result });
});
