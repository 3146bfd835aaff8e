import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { hashName } from "./directory-hash.ts";
import { withoutE2fsprogs } from "./testing/images.ts";

const seed = Uint32Array.of(0x01020304, 0x89abcdef, 0xfedcba98, 0x10203040);
const encoder = new TextEncoder();

test("names hash to the values that debugfs computes", { skip: withoutE2fsprogs }, () => {
  const uuid = Buffer.from(seed.buffer)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const character = fc.constantFrom(...Array.from("abcdefghijklmnopqrstuvwxyz0123456789._-ABC"));
  const names = fc.sample(
    fc.string({ unit: character, minLength: 1, maxLength: 255 }).filter((name) => !name.startsWith("-")),
    { numRuns: 200, seed: 1 },
  );
  const requests = names.map((name) => `dx_hash -h half_md4 -s ${uuid} ${name}\n`).join("");
  const { stdout } = spawnSync("debugfs", ["-f", "-"], { input: requests, encoding: "utf8" });
  const judged = [...stdout.matchAll(/is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/g)].map(
    ([, major, minor]) => ({
      major: Number.parseInt(major ?? "", 16),
      minor: Number.parseInt(minor ?? "", 16),
    }),
  );
  assert.deepEqual(
    names.map((name) => hashName(encoder.encode(name), seed)),
    judged,
  );
});
