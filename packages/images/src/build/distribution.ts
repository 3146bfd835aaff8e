// Which distribution a tree says it is.

import type { FileTree } from "@kelpie/formats";
import { readText } from "../rootfs/image-tree.ts";

/** From /etc/os-release; "unknown" where it does not say. */
export async function distributionOf(
  tree: FileTree,
): Promise<{ readonly id: string; readonly version: string }> {
  const text = (await readText(tree, "/etc/os-release")) ?? "";
  const value = (name: string): string =>
    new RegExp(`^${name}=["']?([^"'\n]*)["']?$`, "m").exec(text)?.[1] ?? "unknown";
  return { id: value("ID"), version: value("VERSION_ID") };
}
