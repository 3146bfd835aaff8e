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
  readInstalled,
  type ResolvedPackage,
  withOwners,
} from "@kelpie/repositories";
import { applyEffects } from "../effects/apply.ts";
import { type PackageEffects, recogniseAll } from "../effects/recognise.ts";
import { Accounts } from "../rootfs/accounts.ts";
import { readText, TreeEditor } from "../rootfs/image-tree.ts";
import type { ImageSpec } from "../spec/image-spec.ts";

const apkDatabase = "/lib/apk/db/installed";
const maxDatabaseBytes = 64 << 20;

export interface Userland {
  readonly tree: FileTree;
  readonly packages: readonly ResolvedPackage[];
  readonly effects: readonly PackageEffects[];
}

/**
 * Alpine's packages laid over each other, with apk's database. Their files belong to names; which numbers those have in this
 * image is known once the packages' own accounts are there.
 */
export async function alpineUserland(
  archives: readonly AlpineArchive[],
  { scripts, packages: world, architecture }: Pick<ImageSpec, "scripts" | "packages" | "architecture">,
  mtimeSeconds: number,
): Promise<Userland> {
  const effects = recogniseAll(archives, scripts);
  const accounts = new TreeEditor(mergePackages(archives).tree, mtimeSeconds);
  await applyEffects(accounts, effects, "accounts");
  const owned = withOwners(archives, (await Accounts.read(accounts.tree)).numbers());
  const { tree, owners } = mergePackages(owned);
  const machine = alpineMachines[architecture];
  for (const { path, node } of await alpineDatabase({
    archives: owned,
    owners,
    world,
    machine,
    mtimeSeconds,
  }))
    tree.put(path, node);
  return { tree, packages: archives.map((archive) => archive.package), effects };
}

/** Debian's packages laid over each other, with dpkg's database. */
export async function debianUserland(
  archives: readonly DebianArchive[],
  { scripts }: Pick<ImageSpec, "scripts">,
): Promise<Userland> {
  const effects = recogniseAll(archives, scripts);
  const tree = mergeDebianPackages(archives);
  for (const { path, node } of await debianDatabase(archives)) tree.put(path, node);
  return { tree, packages: archives.map((archive) => archive.package), effects };
}

/** A base tarball's tree; what its own packages' scripts did is in it already. */
export async function baseUserland(
  tree: FileTree,
  { architecture, base }: Pick<ImageSpec, "architecture" | "base">,
): Promise<Userland> {
  const database = await readText(tree, apkDatabase, maxDatabaseBytes);
  const installed = database === undefined ? [] : readInstalled(database, apkDatabase);
  const packages = installed.map(({ record }): ResolvedPackage => {
    const { name, version, license, origin } = record;
    return {
      ecosystem: "alpine",
      name,
      version,
      architecture,
      location: base?.tarball ?? "",
      sizeBytes: record.sizeBytes,
      digest: `apk-c:${record.checksum}`,
      ...(license === "" ? {} : { license }),
      ...(origin === "" ? {} : { source: origin }),
    };
  });
  return { tree, packages, effects: [] };
}
