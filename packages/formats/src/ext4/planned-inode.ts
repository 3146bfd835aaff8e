// An inode of a layout: numbered, with its attributes, and what it holds.

import type { TreeNode } from "../tree/node.ts";
import type { Content } from "./content.ts";
import type { EncodedXattrs } from "./xattrs.ts";

/** An inode with all that it holds. */
export interface PlannedInode {
  readonly number: number;
  /** Its first name in the tree, for messages. */
  readonly path: string;
  readonly node: TreeNode;
  /** As i_links_count holds it. */
  readonly links: number;
  /** The directory that holds it first: what ".." names in a directory. */
  readonly parent: number;
  readonly content: Content;
  readonly xattrs: EncodedXattrs;
}
