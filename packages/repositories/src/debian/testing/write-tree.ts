// Puts a file tree on the disk, for tools that judge it there. Owners and devices are left out.

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { collect, type FileTree } from "@kelpie/formats";

export async function writeTree(tree: FileTree, directory: string): Promise<void> {
  for (const { path, node } of tree.entries()) {
    const target = join(directory, path);
    if (node.kind === "directory") mkdirSync(target, { recursive: true });
    else if (node.kind === "symlink") symlinkSync(node.target, target);
    else if (node.kind === "file") {
      writeFileSync(target, await collect(node.content.open(), 1 << 30));
      chmodSync(target, node.mode);
    }
  }
}
