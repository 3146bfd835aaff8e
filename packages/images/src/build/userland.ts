// The userland of an image: packages merged into a tree, or a base tarball, with what their scripts come to.

import type { FileTree } from "@kelpie/formats";
import {
  type AlpineArchive,
  alpineDatabase,
  alpineMachines,
  type DebianArchive,
  debianDatabase,
  mergeDebianPackages,
  mergePackages,
  type ResolvedPackage,
} from "@kelpie/repositories";
import { type PackageEffects, recogniseScripts } from "../effects/recognise.ts";
import type { ImageSpec } from "../spec/image-spec.ts";

export interface Userland {
  readonly tree: FileTree;
  readonly packages: readonly ResolvedPackage[];
  readonly effects: readonly PackageEffects[];
}

/** Alpine's packages laid over each other, with apk's database. */
export async function alpineUserland(
  archives: readonly AlpineArchive[],
  { scripts, packages: world, architecture }: Pick<ImageSpec, "scripts" | "packages" | "architecture">,
  mtimeSeconds: number,
): Promise<Userland> {
  const effects = archives.map((archive) => recogniseScripts(archive, scripts));
  const { tree, owners } = mergePackages(archives);
  const machine = alpineMachines[architecture];
  for (const { path, node } of await alpineDatabase({ archives, owners, world, machine, mtimeSeconds }))
    tree.put(path, node);
  return { tree, packages: archives.map((archive) => archive.package), effects };
}

/** Debian's packages laid over each other, with dpkg's database. */
export async function debianUserland(
  archives: readonly DebianArchive[],
  { scripts }: Pick<ImageSpec, "scripts">,
): Promise<Userland> {
  const effects = archives.map((archive) => recogniseScripts(archive, scripts));
  const tree = mergeDebianPackages(archives);
  for (const { path, node } of await debianDatabase(archives)) tree.put(path, node);
  return { tree, packages: archives.map((archive) => archive.package), effects };
}

/** A base tarball's tree; what its own packages' scripts did is in it already. */
export function baseUserland(tree: FileTree): Userland {
  return { tree, packages: [], effects: [] };
}
