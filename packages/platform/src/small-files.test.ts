// What is read from caches and from the system where it may be missing or damaged.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "./errors.ts";
import { readTextIfPresent } from "./read-text-if-present.ts";
import { realPlatform } from "./real/index.ts";
import { tryParseJson } from "./try-parse-json.ts";

test("a missing text is undefined, and one beyond its bound is refused", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-text-");
  const path = join(directory.path, "text");
  assert.equal(await readTextIfPresent(realPlatform.files, path, 10), undefined);
  writeFileSync(path, "0123456789");
  assert.equal(await readTextIfPresent(realPlatform.files, path, 10), "0123456789");
  await assert.rejects(
    readTextIfPresent(realPlatform.files, path, 9),
    (error) => KelpieError.is(error) && error.code === "limit-exceeded",
  );
});

test("damaged JSON is undefined, whole JSON its value", () => {
  assert.equal(tryParseJson("{"), undefined);
  assert.deepEqual(tryParseJson(new TextEncoder().encode('{"a":1}')), { a: 1 });
});
