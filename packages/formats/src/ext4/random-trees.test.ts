import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertClean, catFile, debugfs, grow, imageOf, withoutE2fsprogs } from "./testing/images.ts";
import { trees } from "./testing/trees.ts";

test("e2fsck finds nothing in file systems of random trees", { skip: withoutE2fsprogs }, async () => {
  await fc.assert(
    fc.asyncProperty(trees(60), fc.boolean(), async (tree, hasJournal) => {
      using image = await imageOf(tree, hasJournal ? { journalBytes: 4 * 1024 ** 2 } : {});
      assertClean(image.path);
    }),
    { numRuns: 60 },
  );
});

test("debugfs reads random contents back", { skip: withoutE2fsprogs }, async () => {
  await fc.assert(
    fc.asyncProperty(trees(10), async (tree) => {
      using image = await imageOf(tree);
      for (const { path, node } of tree.entries()) {
        if (node.kind !== "file" || !/^[\w/]+$/.test(path)) continue;
        assert.ok(catFile(image.path, `/${path}`).equals(node.content.bytes ?? new Uint8Array(0)), path);
        assert.match(
          debugfs(image.path, `stat /${path}`),
          new RegExp(`Mode: +0${node.mode.toString(8).padStart(3, "0")} `),
        );
      }
    }),
    { numRuns: 15 },
  );
});

test("resize2fs grows random file systems, and e2fsck finds nothing in them", {
  skip: withoutE2fsprogs,
}, async () => {
  await fc.assert(
    fc.asyncProperty(trees(20), fc.integer({ min: 30, max: 5000 }), async (tree, megabytes) => {
      using image = await imageOf(tree);
      grow(image.path, megabytes * 1024 ** 2);
      assertClean(image.path);
    }),
    { numRuns: 8 },
  );
});
