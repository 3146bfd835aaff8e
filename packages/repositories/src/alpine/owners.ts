// Owners by name: an archive's numbers are its build machine's, so that a name which the image knows goes before them.

import type { TreeNode } from "@kelpie/formats";
import type { AlpineArchive } from "./archive.ts";

/** Numbers of the image's users and groups, by name. */
export interface OwnerNumbers {
  readonly users: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
}

/** The same archives, each entry owned by the image's numbers of its owner's names; a name that it lacks keeps the archive's. */
export function withOwners(archives: readonly AlpineArchive[], numbers: OwnerNumbers): AlpineArchive[] {
  return archives.map((archive) => {
    // Two names of one file must stay one node.
    const changed = new Map<TreeNode, TreeNode>();
    const entries = archive.entries.map((entry) => {
      const { node, userName, groupName } = entry;
      const uid = numbers.users.get(userName) ?? node.uid;
      const gid = numbers.groups.get(groupName) ?? node.gid;
      if (uid === node.uid && gid === node.gid) return entry;
      const known = changed.get(node) ?? { ...node, uid, gid };
      changed.set(node, known);
      return { ...entry, node: known };
    });
    return { ...archive, entries };
  });
}
