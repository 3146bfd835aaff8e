import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { keysAllowedAt } from "./checked-yaml.ts";
import { specJsonSchema } from "./json-schema.ts";
import { specSchema } from "./schema.ts";

const path = join(import.meta.dirname, "../../../../images/spec.schema.json");

test("images/spec.schema.json is what the code says (write it again by tools/write-spec-schema.ts)", async () => {
  assert.deepEqual(JSON.parse(await readFile(path, "utf8")), specJsonSchema());
});

test("the keys of a nested place are those of all its alternatives", () => {
  assert.deepEqual(keysAllowedAt(specSchema, ["base"]), ["tarball", "sha512", "amd64", "arm64"]);
  assert.ok(keysAllowedAt(specSchema, ["users", 0]).includes("shell"));
  assert.ok(keysAllowedAt(specSchema, ["files", "/etc/motd"]).includes("content"));
  assert.deepEqual(keysAllowedAt(specSchema, ["nothing", "there"]), []);
});
