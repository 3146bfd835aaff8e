// A root file system that brings its own packages: what its database says, and how further packages come on top as by `apk add`.

import {
  bytesSource,
  bytewise,
  collect,
  type FileTree,
  MemorySink,
  parentPath,
  readTar,
  type TarSourceEntry,
  textSource,
  type TreeEntry,
  type TreeNode,
} from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { AlpineArchive } from "./archive.ts";
import { installedText, scriptEntries, triggersLine, writeScripts } from "./database.ts";
import { type InstalledPackage, readInstalled } from "./installed.ts";
import { claimOf, mayOverwrite, mergePackages } from "./merge.ts";

const databasePath = "lib/apk/db/installed";
const scriptsPath = "lib/apk/db/scripts.tar";
const triggersPath = "lib/apk/db/triggers";
const worldPath = "etc/apk/world";
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
    // The checksum before the script's name may hold slashes and dots do not: "name-1.0-r0.Q1…=.post-install".
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

/**
 * Lays packages over a base's tree and brings its database up to date. What a replaced package had goes; a file that no
 * package owns gives way; one of a package that stays is taken over only as apk allows.
 *
 * @throws KelpieError `already-exists` naming both packages and the path.
 */
export async function installOver(
  tree: FileTree,
  base: AlpineBase,
  archives: readonly AlpineArchive[],
  { world, mtimeSeconds }: { readonly world: readonly string[]; readonly mtimeSeconds: number },
): Promise<void> {
  const kept = keptPackages(base, archives);
  for (const each of base.packages)
    if (!kept.includes(each)) for (const { path } of each.files) tree.remove(path);

  const { tree: added, owners } = mergePackages(archives);
  const owned = new Map(kept.flatMap((each) => each.files.map(({ path }) => [path, each] as const)));
  const taken = new Set<string>();
  for (const { path, node } of added.entries()) {
    if (path === "" || (node.kind === "directory" && tree.get(path)?.kind === "directory")) continue;
    const [present, incoming] = [owned.get(path), owners.get(path)];
    if (present !== undefined && incoming !== undefined) {
      if (!mayOverwrite(claimOf(incoming), present, path)) continue;
      taken.add(path);
    }
    tree.put(path, node);
  }
  for (const { path, node } of await databaseEntries(base, archives, owners, taken, world, mtimeSeconds))
    tree.put(path, node);
}

async function databaseEntries(
  base: AlpineBase,
  archives: readonly AlpineArchive[],
  owners: ReadonlyMap<string, AlpineArchive>,
  taken: ReadonlySet<string>,
  world: readonly string[],
  mtimeSeconds: number,
): Promise<readonly TreeEntry[]> {
  const kept = new Set(keptPackages(base, archives).map(({ record }) => record.name));
  const checksums = new Set(keptPackages(base, archives).map(({ record }) => record.checksum));
  const file = (content: TreeNodeContent): TreeNode => ({
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds,
    content,
  });
  const blocks = base.installedText
    .split(/\n\n+/)
    .filter((block) => kept.has(/^P:(.*)$/m.exec(block)?.[1] ?? ""))
    .map((block) => `${withoutFiles(block.trim(), taken)}\n\n`);
  const triggers = base.triggersText.split("\n").filter((line) => checksums.has(line.split(" ")[0] ?? ""));
  const sink = new MemorySink();
  await writeScripts(
    [
      ...base.scriptEntries.filter((each) => kept.has(each.package)).map(({ entry }) => entry),
      ...archives.flatMap(scriptEntries),
    ],
    sink,
  );
  const lines = [...new Set([...base.world, ...world])].sort(bytewise);
  return [
    {
      path: databasePath,
      node: file(textSource([...blocks, ...archives.map((each) => installedText(each, owners))].join(""))),
    },
    { path: scriptsPath, node: file(bytesSource(sink.toBytes())) },
    {
      path: triggersPath,
      node: file(
        textSource([...triggers.map((line) => `${line}\n`), ...archives.map(triggersLine)].join("")),
      ),
    },
    { path: worldPath, node: file(textSource(lines.map((line) => `${line}\n`).join(""))) },
  ];
}

type TreeNodeContent = Extract<TreeNode, { kind: "file" }>["content"];

/** A package's lines without those of files that another package has taken over. */
function withoutFiles(block: string, taken: ReadonlySet<string>): string {
  if (taken.size === 0) return block;
  let directory = "";
  let isTaken = false;
  const lines = block.split("\n").filter((line) => {
    if (line.startsWith("F:")) {
      directory = line.slice(2);
      isTaken = false;
    } else if (line.startsWith("R:")) {
      isTaken = taken.has(directory === "" ? line.slice(2) : `${directory}/${line.slice(2)}`);
    }
    // What follows a file's name is about that file.
    return !(isTaken && /^[RaZ]:/.test(line));
  });
  return lines.join("\n");
}
