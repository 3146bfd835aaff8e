// Which package each file of a tree belongs to, as the package managers' own databases in the tree say.

import { type FileTree, normalizePath } from "@kelpie/formats";
import { readInstalled } from "@kelpie/repositories";
import { followLinks, readText } from "../rootfs/image-tree.ts";

const apkDatabase = "/lib/apk/db/installed";
const dpkgInfo = "/var/lib/dpkg/info";
const maxDatabaseBytes = 256 << 20;
const maxListBytes = 64 << 20;

/** Package names by path as in the tree. Directories, and what no database names, are absent. */
export async function packageOwners(tree: FileTree): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  await addAlpine(tree, owners);
  await addDebian(tree, owners);
  return owners;
}

async function addAlpine(tree: FileTree, owners: Map<string, string>): Promise<void> {
  const text = await readText(tree, apkDatabase, maxDatabaseBytes);
  if (text === undefined) return;
  for (const { record, files } of readInstalled(text, apkDatabase))
    for (const { path } of files) own(tree, owners, path, record.name);
}

async function addDebian(tree: FileTree, owners: Map<string, string>): Promise<void> {
  const directory = followLinks(tree, dpkgInfo, "follow");
  for (const name of tree.list(directory)) {
    // Of packages that may be there for several architectures: "libc6:amd64.list".
    const owner = /^([^:]+)(?::[a-z0-9-]+)?\.list$/.exec(name)?.[1];
    if (owner === undefined) continue;
    const text = (await readText(tree, `${dpkgInfo}/${name}`, maxListBytes)) ?? "";
    for (const path of text.split("\n")) if (path !== "") own(tree, owners, path, owner);
  }
}

/** dpkg names files by the paths in the archive, which lead through links where /usr is merged. */
function own(tree: FileTree, owners: Map<string, string>, path: string, owner: string): void {
  const real = normalizePath(followLinks(tree, path));
  const node = tree.get(real);
  if (node !== undefined && node.kind !== "directory") owners.set(real, owner);
}
