// The order in which a directory's names come.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "./index.ts";

test("names come in the order of their bytes, with characters beyond the first 65,536 too", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-list-");
  const inOrder = ["A", "a", "a.b", "ab", "\u00e9", "\uff5e", "\u{1f40e}"];
  for (const names of [inOrder.slice(0, -1), inOrder]) {
    for (const name of names) writeFileSync(join(directory.path, name), "");
    assert.deepEqual(await realPlatform.files.list(directory.path), names);
  }
});
