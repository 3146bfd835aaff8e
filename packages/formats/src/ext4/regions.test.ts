// Content by region, as e2fsprogs finds it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FileTree } from "../tree/file-tree.ts";
import {
  assertClean,
  catFile,
  debugfs,
  file,
  imageOf,
  metadata,
  withoutE2fsprogs as skip,
} from "./testing/images.ts";
import { trees } from "./testing/trees.ts";

test("content of one region lies together, region by region, and hard links stay links", {
  skip,
}, async () => {
  const tree = new FileTree(metadata);
  const region = (path: string): string => (/[ab]$/.test(path) ? "2" : "1");
  const paths = ["a", "b", "c", "d"].flatMap((name) => [`bin/${name}`, `lib/x/${name}`]);
  for (const path of paths) tree.put(path, file(path.repeat(2000)));
  const linked = tree.get("bin/a");
  assert.ok(linked !== undefined);
  tree.put("lib/link", linked);
  using image = await imageOf(tree, { region });
  assertClean(image.path);
  const firstBlock = (path: string): number => parseInt(debugfs(image.path, `blocks /${path}`), 10);
  assert.deepEqual(
    paths.toSorted((a, b) => firstBlock(a) - firstBlock(b)),
    ["bin/c", "bin/d", "lib/x/c", "lib/x/d", "bin/a", "bin/b", "lib/x/a", "lib/x/b"],
  );
  assert.match(debugfs(image.path, "stat /lib/link"), /Links: 2/);
  for (const path of paths) assert.equal(catFile(image.path, `/${path}`).toString(), path.repeat(2000));
});

test("e2fsck finds nothing in random trees of random regions", { skip }, async () => {
  await fc.assert(
    fc.asyncProperty(trees(40), fc.integer({ min: 1, max: 5 }), async (tree, regions) => {
      using image = await imageOf(tree, { region: (path) => `${path.length % regions}` });
      assertClean(image.path);
    }),
    { numRuns: 25 },
  );
});
