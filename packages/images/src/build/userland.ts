// The userland of an image: packages merged into a tree, or a base tarball, with what their scripts come to.

import { FileTree } from "@kelpie/formats";
import {
  type AlpineArchive,
  alpineDatabase,
  alpineMachines,
  type DebianArchive,
  debianDatabase,
  type InstalledPackage,
  installOver,
  keptPackages,
  mergeDebianPackages,
  mergePackages,
  readAlpineBase,
  readInstalled,
  type ResolvedPackage,
  triggeredPackages,
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
  return { tree, packages: installedPackages(installed, architecture, base), effects: [] };
}

function installedPackages(
  installed: readonly InstalledPackage[],
  architecture: ImageSpec["architecture"],
  base: ImageSpec["base"],
): readonly ResolvedPackage[] {
  return installed.map(({ record }): ResolvedPackage => {
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
}

/**
 * An Alpine base with packages on top, as `apk add` in it would put them there. Of the base's own packages only those
 * triggers count that the new files set off.
 */
export async function extendedUserland(
  tree: FileTree,
  archives: readonly AlpineArchive[],
  spec: Pick<ImageSpec, "scripts" | "packages" | "architecture" | "base">,
  mtimeSeconds: number,
): Promise<Userland> {
  const { scripts, packages: world, architecture, base } = spec;
  const installed = await readAlpineBase(tree, base?.tarball ?? "the base");
  const effects = recogniseAll(
    [
      ...installedPackages(triggeredPackages(installed, archives), architecture, base).map((each) => ({
        package: each,
        scripts: triggerOnly(installed.scripts.get(each.name)),
      })),
      ...archives,
    ],
    scripts,
  );
  // Which numbers the packages' accounts get is known once they stand beside those of the base.
  const accounts = new TreeEditor(new FileTree(), mtimeSeconds);
  for (const path of ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"]) {
    const node = tree.get(path);
    if (node !== undefined) accounts.tree.put(path, node);
  }
  for (const { path, node } of mergePackages(archives).tree.entries())
    if (!accounts.tree.has(path)) accounts.tree.put(path, node);
  await applyEffects(accounts, effects, "accounts");
  const owned = withOwners(archives, (await Accounts.read(accounts.tree)).numbers());
  await installOver(tree, installed, owned, { world, mtimeSeconds });
  const kept = installedPackages(keptPackages(installed, archives), architecture, base);
  return { tree, packages: [...kept, ...archives.map((archive) => archive.package)], effects };
}

function triggerOnly(scripts: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> {
  const trigger = scripts?.get(".trigger");
  return new Map(trigger === undefined ? [] : [[".trigger", trigger]]);
}
