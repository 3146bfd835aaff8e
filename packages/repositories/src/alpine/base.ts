// A root file system that brings its own packages: what its database says of them.

import {
  bytesSource,
  collect,
  type FileTree,
  parentPath,
  readTar,
  type TarSourceEntry,
} from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { AlpineArchive } from "./archive.ts";
import { type InstalledPackage, readInstalled } from "./installed.ts";

export const databasePath = "lib/apk/db/installed";
export const scriptsPath = "lib/apk/db/scripts.tar";
export const triggersPath = "lib/apk/db/triggers";
export const worldPath = "etc/apk/world";
const maxBytes = 256 << 20;
const maxScripts = 100_000;
const maxScriptBytes = 1 << 20;

/** What a base has installed, as its apk would find it. */
export interface AlpineBase {
  readonly packages: readonly InstalledPackage[];
  /** The lines that were asked for. */
  readonly world: readonly string[];
  readonly installedText: string;
  readonly triggersText: string;
  /** Scripts by package name, then by their names: ".trigger". */
  readonly scripts: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** As they stand in scripts.tar. */
  readonly scriptEntries: readonly { readonly package: string; readonly entry: TarSourceEntry }[];
}

/** Reads a base's database. @throws KelpieError `unsupported` where it has none, `malformed`, `limit-exceeded`. */
export async function readAlpineBase(tree: FileTree, where: string): Promise<AlpineBase> {
  const text = async (path: string): Promise<string | undefined> => {
    const node = tree.get(path);
    if (node?.kind !== "file") return undefined;
    return new TextDecoder().decode(await collect(node.content.open(), maxBytes, path));
  };
  const installed = await text(databasePath);
  if (installed === undefined) {
    throw new KelpieError("unsupported", "A base that says nothing of its packages cannot be added to", {
      expected: `an Alpine root file system with /${databasePath}`,
      where,
    });
  }
  const packages = readInstalled(installed, `/${databasePath} of ${where}`);
  const entries = await readScripts(tree, packages, where);
  const scripts = new Map<string, Map<string, string>>();
  for (const { package: name, script, content } of entries) {
    const own = scripts.get(name) ?? new Map<string, string>();
    scripts.set(name, own.set(script, content));
  }
  return {
    packages,
    world: ((await text(worldPath)) ?? "").split(/\s+/).filter((word) => word !== ""),
    installedText: installed,
    triggersText: (await text(triggersPath)) ?? "",
    scripts,
    scriptEntries: entries,
  };
}

interface BaseScript {
  readonly package: string;
  readonly script: string;
  readonly content: string;
  readonly entry: TarSourceEntry;
}

async function readScripts(
  tree: FileTree,
  packages: readonly InstalledPackage[],
  where: string,
): Promise<readonly BaseScript[]> {
  const node = tree.get(scriptsPath);
  if (node?.kind !== "file") return [];
  const titles = new Map(
    packages.map(({ record: { name, version, checksum } }) => [`${name}-${version}.${checksum}`, name]),
  );
  const found: BaseScript[] = [];
  for await (const each of readTar(node.content.open(), {
    limits: { maxEntries: maxScripts },
    duplicates: "refuse",
    where: `/${scriptsPath} of ${where}`,
  })) {
    // The checksum before the script's name may hold slashes, and ends in the last `=`: "name-1.0-r0.Q1…=.post-install".
    const [, title = "", script = ""] = /^(.*=)(\.[a-z-]+)$/.exec(each.path) ?? [];
    const name = titles.get(title);
    if (name === undefined || each.kind !== "file") continue;
    const bytes = await collect(each.content, maxScriptBytes, each.path);
    const { path, mtimeSeconds } = each;
    const owned = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds };
    found.push({
      package: name,
      script,
      content: new TextDecoder().decode(bytes),
      entry: { path, node: { kind: "file", ...owned, content: bytesSource(bytes) } },
    });
  }
  return found;
}

/** Packages of a base that stay, since none of `archives` is of their name. */
export function keptPackages(
  { packages }: AlpineBase,
  archives: readonly Pick<AlpineArchive, "record">[],
): readonly InstalledPackage[] {
  const replaced = new Set(archives.map(({ record }) => record.name));
  return packages.filter(({ record }) => !replaced.has(record.name));
}

/** Packages of a base whose triggers the files of `archives` set off, in the base's order. */
export function triggeredPackages(
  base: AlpineBase,
  archives: readonly AlpineArchive[],
): readonly InstalledPackage[] {
  const directories = new Set(
    archives.flatMap(({ entries }) => entries.map(({ path }) => `/${parentPath(path)}`)),
  );
  const patterns = new Map(
    base.triggersText.split("\n").map((line) => {
      const [checksum = "", ...globs] = line.split(" ");
      return [checksum, globs.map(globExpression)] as const;
    }),
  );
  return keptPackages(base, archives).filter(({ record }) =>
    patterns
      .get(record.checksum)
      ?.some((pattern) => directories.values().some((directory) => pattern.test(directory))),
  );
}

/** As fnmatch(3) with FNM_PATHNAME, of what triggers use: `*` and `?`. */
function globExpression(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  return new RegExp(`^${source}$`);
}
