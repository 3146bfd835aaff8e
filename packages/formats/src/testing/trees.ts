// Trees for property tests.

import fc from "fast-check";
import { bytesSource } from "../byte-source.ts";
import { FileTree, type TreeEntry } from "../tree/file-tree.ts";
import type { FileNode, TreeNode } from "../tree/node.ts";

const name = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-z][a-z0-9._-]{0,8}$/) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z]{60,130}$/) },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
      .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && text.isWellFormed()),
  },
);
const paths = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

/** What each format can hold. */
const ranges = {
  tar: { id: 0xffffffff, time: { min: -1e9, max: 2 ** 40 }, hasXattrs: true },
  cpio: { id: 0xffffffff, time: { min: 0, max: 0xffffffff }, hasXattrs: false },
} as const;

/** Entries of a tree, hard links among them, in the tree's order. */
export function arbitraryEntries(format: keyof typeof ranges): fc.Arbitrary<TreeEntry[]> {
  const { id, time, hasXattrs } = ranges[format];
  const owner = fc.oneof(fc.constantFrom(0, 0, 1000), fc.integer({ min: 0, max: id }));
  const xattrs = fc
    .dictionary(fc.stringMatching(/^user\.[a-z]{1,9}$/), fc.uint8Array({ maxLength: 40 }), { maxKeys: 3 })
    .map((values) => new Map(Object.entries(values)));
  const metadata = fc
    .record({
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: owner,
      gid: owner,
      mtimeSeconds: fc.oneof(fc.constant(0), fc.integer(time)),
      xattrs,
    })
    .map(({ xattrs: values, ...rest }) =>
      hasXattrs && values.size > 0 ? { ...rest, xattrs: values } : rest,
    );
  const device = fc.record({
    major: fc.integer({ min: 0, max: 4095 }),
    minor: fc.integer({ min: 0, max: 2 ** 20 - 1 }),
  });
  const node: fc.Arbitrary<TreeNode> = metadata.chain((common) =>
    fc.oneof(
      fc
        .uint8Array({ maxLength: 2000 })
        .map((bytes): TreeNode => ({ ...common, kind: "file", content: bytesSource(bytes) })),
      fc.constant<TreeNode>({ ...common, kind: "directory" }),
      fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 150 })
        .filter((text) => !text.includes("\0") && text.isWellFormed())
        .map((target): TreeNode => ({ ...common, kind: "symlink", target })),
      device.map((numbers): TreeNode => ({ ...common, kind: "character-device", ...numbers })),
      fc.constant<TreeNode>({ ...common, kind: "fifo" }),
    ),
  );
  return fc.array(fc.tuple(paths, node, fc.boolean()), { maxLength: 12 }).map((drafts) => {
    const tree = new FileTree();
    let lastFile: FileNode | undefined;
    for (const [path, draft, isLink] of drafts) {
      const placed = isLink && lastFile !== undefined ? lastFile : draft;
      if (placed.kind === "file") lastFile = placed;
      putIfPossible(tree, path, placed);
    }
    return [...tree.entries()];
  });
}

/** A path through a file, or over a full directory, is not a tree. */
function putIfPossible(tree: FileTree, path: string, node: TreeNode): void {
  const parts = path.split("/");
  const isBlocked = parts.some((_, depth) => {
    const kind = tree.get(parts.slice(0, depth).join("/"))?.kind;
    return kind !== undefined && kind !== "directory";
  });
  if (!isBlocked && (node.kind === "directory" || tree.list(path).length === 0)) tree.put(path, node);
}
