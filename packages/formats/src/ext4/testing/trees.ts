// Random trees, with everything that an ext4 file system can hold.

import fc from "fast-check";
import { type ByteSource, bytesSource } from "../../byte-source.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { FileNode, NodeMetadata, TreeNode } from "../../tree/node.ts";

const name = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
    fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 255 }),
    fc.constantFrom("a", "b", "c", "lost+found"),
  )
  .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && Buffer.byteLength(text) <= 255);

const id = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 2 ** 32 - 2 }));

const xattrs = fc
  .dictionary(
    fc
      .tuple(fc.constantFrom("user.", "security.", "trusted."), fc.stringMatching(/^[a-z_.]{1,20}$/))
      .map((t) => t.join("")),
    fc.uint8Array({ maxLength: 200 }),
    { maxKeys: 4 },
  )
  .map((entries) => new Map(Object.entries(entries)));

const metadata: fc.Arbitrary<NodeMetadata> = fc
  .record({
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: id,
    gid: id,
    mtimeSeconds: fc.oneof(
      fc.integer({ min: 0, max: 2_000_000_000 }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 33 }),
    ),
    xattrs: fc.option(xattrs, { nil: undefined, freq: 4 }),
  })
  .map(({ xattrs: attributes, ...rest }) =>
    attributes === undefined || attributes.size === 0 ? rest : { ...rest, xattrs: attributes },
  );

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.constantFrom(0, 4095, 4096, 4097, 200_000),
  fc.integer({ min: 0, max: 100_000 }),
);

const content: fc.Arbitrary<ByteSource> = fc
  .tuple(sizes, fc.integer({ min: 0, max: 255 }), fc.boolean())
  .map(([sizeBytes, seed, isSparse]) => {
    const bytes = Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 31 + seed) % 256);
    if (!isSparse || sizeBytes < 20_000) return bytesSource(bytes);
    bytes.fill(0, 5000, 15_000);
    const dataRanges = [
      { start: 0, end: 5000 },
      { start: 15_000, end: sizeBytes },
    ];
    return { ...bytesSource(bytes), dataRanges };
  });

const node: fc.Arbitrary<TreeNode> = fc
  .tuple(metadata, fc.integer({ min: 0, max: 11 }), content, fc.nat(), name)
  .map(([common, kind, source, number, text]): TreeNode => {
    if (kind < 5) return { ...common, kind: "file", content: source };
    if (kind < 7) return { ...common, kind: "directory" };
    if (kind < 9) return { ...common, kind: "symlink", target: text.repeat((number % 8) + 1).slice(0, 1000) };
    if (kind === 9)
      return { ...common, kind: "character-device", major: number % 4096, minor: number % 2 ** 20 };
    return { ...common, kind: kind === 10 ? "fifo" : "socket" };
  });

/** Up to `maxEntries` names, some of them hard links to the same file. */
export function trees(maxEntries: number): fc.Arbitrary<FileTree> {
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
  const entry = fc.tuple(path, node, fc.boolean());
  return fc.array(entry, { maxLength: maxEntries }).map((entries) => {
    const tree = new FileTree();
    let lastFile: FileNode | undefined;
    for (const [at, made, isLink] of entries) {
      const put = isLink && lastFile !== undefined ? lastFile : made;
      if (isPossible(tree, at, put)) tree.put(at, put);
      if (put.kind === "file") lastFile = put;
    }
    return tree;
  });
}

/** A random path may lead through a file, replace a full directory or take the place of lost+found. */
function isPossible(tree: FileTree, path: string, made: TreeNode): boolean {
  const parents = path.split("/").slice(0, -1);
  const isBlocked = parents.some((_, depth) => {
    const parent = tree.get(parents.slice(0, depth + 1).join("/"));
    return parent !== undefined && parent.kind !== "directory";
  });
  const isKept = made.kind !== "directory" && tree.get(path)?.kind === "directory";
  return !isBlocked && !isKept && (path !== "lost+found" || made.kind === "directory");
}
