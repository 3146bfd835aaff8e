// Which package each file of a tree belongs to, as the package managers' own databases in the tree say.

import type { FileTree } from "@kelpie/formats";
import { readInstalled } from "@kelpie/repositories";
import { followLinks, readText } from "../rootfs/image-tree.ts";

const apkDatabase = "/lib/apk/db/installed";
const dpkgInfo = "/var/lib/dpkg/info";
const maxDatabaseBytes = 256 << 20;
const maxListBytes = 64 << 20;

/** Package names by path as in the tree. Directories, and what no database names, are absent. */
export async function packageOwners(tree: FileTree): Promise<ReadonlyMap<string, string>> {
  const owners = new Owners(tree);
  await addAlpine(tree, owners);
  await addDebian(tree, owners);
  return owners.byPath;
}

async function addAlpine(tree: FileTree, owners: Owners): Promise<void> {
  const text = await readText(tree, apkDatabase, maxDatabaseBytes);
  if (text === undefined) return;
  for (const { record, files } of readInstalled(text, apkDatabase))
    for (const { path } of files) owners.add(path, record.name);
}

async function addDebian(tree: FileTree, owners: Owners): Promise<void> {
  const directory = followLinks(tree, dpkgInfo, "follow");
  for (const name of tree.list(directory)) {
    // Of packages that may be there for several architectures: "libc6:amd64.list".
    const owner = /^([^:]+)(?::[a-z0-9-]+)?\.list$/.exec(name)?.[1];
    if (owner === undefined) continue;
    const text = (await readText(tree, `${dpkgInfo}/${name}`, maxListBytes)) ?? "";
    for (const path of text.split("\n")) if (path !== "") owners.add(path, owner);
  }
}

/** dpkg names files by the paths in the archive, which lead through links where /usr is merged. */
class Owners {
  readonly byPath = new Map<string, string>();
  readonly #tree: FileTree;
  /** Of directories, which have many files each. */
  readonly #real = new Map<string, string>();

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  add(path: string, owner: string): void {
    const end = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(0, end));
    const real = this.#real.get(parent) ?? followLinks(this.#tree, parent, "follow");
    this.#real.set(parent, real);
    const name = path.slice(end + 1);
    const place = real === "" ? name : `${real}/${name}`;
    if (name === "" || name === ".") return;
    const node = this.#tree.get(place);
    if (node !== undefined && node.kind !== "directory") this.byPath.set(place, owner);
  }
}
