// Packages on top of a base, as `apk add` in it would put them there.

import {
  bytesSource,
  bytewise,
  type FileNode,
  type FileTree,
  MemorySink,
  textSource,
  type TreeEntry,
  type TreeNode,
} from "@kelpie/formats";
import type { AlpineArchive } from "./archive.ts";
import { type AlpineBase, databasePath, keptPackages, scriptsPath, triggersPath, worldPath } from "./base.ts";
import { installedText, scriptEntries, triggersLine, writeScripts } from "./database.ts";
import { claimOf, mayOverwrite, mergePackages } from "./merge.ts";

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
  const file = (content: FileNode["content"]): TreeNode => ({
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
