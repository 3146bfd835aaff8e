import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { blocksPerGroup } from "./constants.ts";
import { layOutGroups, usableBlocks } from "./geometry.ts";
import { assertClean, dumpe2fs, file, imageOf, withoutE2fsprogs } from "./testing/images.ts";
import { FileTree } from "../tree/file-tree.ts";

const groupsAndInodes = fc.record({
  blocks: fc.integer({ min: 1, max: 70 * blocksPerGroup }),
  inodes: fc.integer({ min: 11, max: 2_000_000 }),
  descriptorBlocks: fc.integer({ min: 0, max: 1024 }),
});

test("the fixed parts lie apart from each other and within the file system, whatever its size", () => {
  fc.assert(
    fc.property(groupsAndInodes, ({ blocks, ...needs }) => {
      const usable = usableBlocks(blocks, needs, "up");
      assert.ok(usable >= blocks);
      const geometry = layOutGroups(usable, needs);
      if (geometry === undefined) return;
      assert.ok(geometry.groups.length * geometry.inodesPerGroup >= needs.inodes);
      let end = 0;
      for (const region of geometry.regions) {
        assert.ok(region.start >= end, `${region.kind} at ${region.start}, before ${end}`);
        end = region.start + region.count;
      }
      assert.ok(end <= usable, `${end} of ${usable}`);
    }),
    { numRuns: 300 },
  );
});

const sizes: readonly (readonly [string, object])[] = [
  ["of 40 groups, three flex groups", { size: 5 * 1024 ** 3 }],
  ["of 300 GiB", { size: 300 * 1024 ** 3 - 4096 }],
  ["that can grow to 8 TiB", { growableToBytes: 8 * 1024 ** 4 }],
  ["that cannot grow", { growableToBytes: 0 }],
  ["with 3 GiB free", { freeBytes: 3 * 1024 ** 3 }],
  ["with a journal over two groups", { journalBytes: 200 * 1024 ** 2 }],
];

for (const [name, changes] of sizes) {
  test(`a file system ${name} is clean`, { skip: withoutE2fsprogs }, async () => {
    const tree = new FileTree();
    tree.put("a", file("content"));
    using image = await imageOf(tree, { freeBytes: undefined, ...changes });
    assertClean(image.path);
    const [, free] = /Free blocks: +(\d+)/.exec(dumpe2fs(image.path)) ?? [];
    assert.equal(Number(free), image.summary.freeBlocks);
  });
}

test("more inodes than one group holds make a second group", { skip: withoutE2fsprogs }, async () => {
  const tree = new FileTree();
  for (let index = 0; index < 33_000; index += 1) tree.put(`d${index % 500}/${index}`, file(""));
  using image = await imageOf(tree);
  assertClean(image.path);
  assert.ok(image.summary.blocks > blocksPerGroup);
  assert.ok(image.summary.freeInodes >= 1024);
});
