// What a guest has changed on its disk since it was filled: computation, before anything is touched.

import type { FileNode, TreeNode } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import { type DiskContents, pristineSeconds, treeOnDisk } from "./disk-image.ts";
import type { HostEntry } from "./host-tree.ts";

/** One path that is no longer as it was. */
export type Change =
  | { readonly kind: "remove"; readonly path: string; readonly base: HostEntry }
  | { readonly kind: "directory"; readonly path: string; readonly mode: number; readonly base?: HostEntry }
  | { readonly kind: "file"; readonly path: string; readonly node: FileNode; readonly base?: HostEntry }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string; readonly base?: HostEntry };

/** Changes in an order in which they can be carried out, and what cannot be carried over. */
export interface Changes {
  readonly changes: readonly Change[];
  /** "run/socket is a socket". */
  readonly skipped: readonly string[];
}

/** A guest's mode for the host: what would lend a caller's rights to others stays behind. */
const carriedMode = 0o777;

/**
 * Compares a disk with what it was filled from. Removals come first, the deepest before what holds them; then what is
 * there, parents before children.
 *
 * @throws KelpieError `malformed` if files claim more content than the disk has room for.
 */
export function changesOf(
  { tree, changeTimes, blocks, blockBytes, leftOut }: DiskContents,
  base: ReadonlyMap<string, HostEntry>,
): Changes {
  const prefix = `${treeOnDisk}/`;
  const present = new Map(
    [...tree.entries()]
      .filter(({ path }) => path.startsWith(prefix))
      .map(({ path, node }) => [path.slice(prefix.length), node]),
  );
  requireRoomFor([...present.values()], blocks * blockBytes);
  const unread = new Map(
    [...leftOut]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, why]) => [path.slice(prefix.length), why]),
  );
  const skipped = [...unread].map(([path, why]) => `${JSON.stringify(path)}: ${why}`);
  const made: Change[] = [];
  for (const [path, node] of present) {
    const before = base.get(path);
    if (before?.kind === node.kind && changeTimes.get(node) === pristineSeconds) continue;
    const change = changeTo(path, node, before);
    if (change === undefined) skipped.push(`${path} is a ${node.kind}`);
    else if (change !== "same") made.push(change);
  }
  const removed = [...base]
    .filter(([path]) => !unread.has(path))
    .filter(([path, entry]) => !present.has(path) || replacesKind(present.get(path), entry))
    .map(([path, entry]): Change => ({ kind: "remove", path, base: entry }));
  // A path sorts after its parents: backwards, children come first.
  removed.sort((a, b) => (a.path < b.path ? 1 : -1));
  return { changes: [...removed, ...made], skipped };
}

function changeTo(path: string, node: TreeNode, before: HostEntry | undefined): Change | "same" | undefined {
  // What was of another kind is removed first.
  const base = before === undefined || replacesKind(node, before) ? {} : { base: before };
  const mode = node.mode & carriedMode;
  switch (node.kind) {
    case "directory":
      return base.base?.mode === mode ? "same" : { kind: "directory", path, mode, ...base };
    case "file":
      return { kind: "file", path, node, ...base };
    case "symlink":
      return { kind: "symlink", path, target: node.target, ...base };
    case "fifo":
    case "socket":
    case "character-device":
    case "block-device":
      return undefined;
    default:
      return node satisfies never;
  }
}

/** Whether a directory stands where none stood, or none where one stood: a file and a symlink replace each other. */
function replacesKind(node: TreeNode | undefined, base: HostEntry): boolean {
  return node !== undefined && (node.kind === "directory") !== (base.kind === "directory");
}

/** A disk can name the same blocks in any number of files: no more is written to the host than the disk can hold. */
function requireRoomFor(nodes: readonly TreeNode[], diskBytes: number): void {
  let total = 0;
  for (const node of new Set(nodes)) {
    if (node.kind !== "file") continue;
    const { dataRanges = [{ start: 0, end: node.content.sizeBytes }] } = node.content;
    total += dataRanges.reduce((sum, { start, end }) => sum + end - start, 0);
  }
  if (total <= diskBytes) return;
  throw new KelpieError("malformed", "The files of a disk claim more content than it has room for", {
    expected: `at most ${diskBytes} bytes`,
    found: `${total}`,
  });
}
