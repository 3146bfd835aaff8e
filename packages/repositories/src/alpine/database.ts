// The database of installed packages, as apk in the guest reads and writes it: /lib/apk/db/installed, scripts.tar, triggers
// and lock, and /etc/apk/world.

import {
  type ByteSink,
  bytesSource,
  bytewise,
  MemorySink,
  parentPath,
  type TarSourceEntry,
  textSource,
  type TreeEntry,
  writeTar,
} from "@kelpie/formats";
import type { AlpineArchive } from "./archive.ts";
import type { DataEntry } from "./package-data.ts";
import { writeRecord } from "./record.ts";

/** What was installed, in the order of installation. */
export interface InstalledState {
  readonly archives: readonly AlpineArchive[];
  /** Which package each file belongs to, by its path: `mergePackages` says. */
  readonly owners: ReadonlyMap<string, AlpineArchive>;
  /** The lines that were asked for. */
  readonly world: readonly string[];
  /** Alpine's name of the architecture. */
  readonly machine: string;
  /** Of every entry, in seconds. */
  readonly mtimeSeconds: number;
}

/** The entries of the database, directories included. */
export async function alpineDatabase(state: InstalledState): Promise<TreeEntry[]> {
  const { archives, world, machine, mtimeSeconds } = state;
  const owned = { uid: 0, gid: 0, mtimeSeconds };
  const text = (path: string, content: string): TreeEntry => ({
    path,
    node: { kind: "file", mode: 0o644, ...owned, content: textSource(content) },
  });
  const directory = (path: string): TreeEntry => ({
    path,
    node: { kind: "directory", mode: 0o755, ...owned },
  });
  const sink = new MemorySink();
  await writeScripts(archives.flatMap(scriptEntries), sink);
  const scripts = bytesSource(sink.toBytes());
  return [
    ...["etc", "etc/apk", "lib", "lib/apk", "lib/apk/db", "lib/apk/exec"].map(directory),
    text("etc/apk/arch", `${machine}\n`),
    text(
      "etc/apk/world",
      [...new Set(world)]
        .sort(bytewise)
        .map((line) => `${line}\n`)
        .join(""),
    ),
    text("lib/apk/db/installed", archives.map((archive) => installedText(archive, state.owners)).join("")),
    { path: "lib/apk/db/lock", node: { kind: "file", mode: 0o600, ...owned, content: textSource("") } },
    { path: "lib/apk/db/scripts.tar", node: { kind: "file", mode: 0o644, ...owned, content: scripts } },
    text("lib/apk/db/triggers", archives.map(triggersLine).join("")),
  ];
}

/** A package's lines of the installed database. */
export function installedText(archive: AlpineArchive, owners: InstalledState["owners"]): string {
  const { record, info, entries } = archive;
  const list = info.replaces.map(({ text }) => text).join(" ");
  const lines = [
    ...(list === "" ? [] : [`r:${list}`]),
    ...(info.replacesPriority === undefined ? [] : [`q:${info.replacesPriority}`]),
  ];
  const files = new Map<string, DataEntry[]>();
  for (const entry of entries) {
    if (entry.node.kind === "directory" || owners.get(entry.path) !== archive) continue;
    const parent = parentPath(entry.path);
    const known = files.get(parent);
    if (known === undefined) files.set(parent, [entry]);
    else known.push(entry);
  }
  const directories = new Map(
    entries.flatMap((entry) => (entry.node.kind === "directory" ? [[entry.path, entry]] : [])),
  );
  const paths = [...new Set([...directories.keys(), ...files.keys()])].sort(bytewise);
  for (const path of paths) {
    lines.push(`F:${path}`, ...access("M", directories.get(path), 0o755));
    for (const entry of files.get(path) ?? []) {
      lines.push(`R:${entry.path.slice(path === "" ? 0 : path.length + 1)}`, ...access("a", entry, 0o644));
      if (entry.checksum !== undefined) lines.push(`Z:${entry.checksum}`);
    }
  }
  return `${writeRecord(record)}${lines.map((line) => `${line}\n`).join("")}\n`;
}

/** Owner and mode, where they are not the usual. */
function access(letter: "M" | "a", entry: DataEntry | undefined, usualMode: number): string[] {
  if (entry === undefined) return [];
  const { uid, gid, mode } = entry.node;
  if (uid === 0 && gid === 0 && mode === usualMode) return [];
  return [`${letter}:${uid}:${gid}:${mode.toString(8)}`];
}

export function triggersLine({ record, info }: AlpineArchive): string {
  return info.triggers.length === 0 ? "" : `${record.checksum} ${info.triggers.join(" ")}\n`;
}

/** A package's scripts as they stand in scripts.tar. */
export function scriptEntries({ record, scripts }: AlpineArchive): readonly TarSourceEntry[] {
  return [...scripts].map(([name, content]) => ({
    path: `${record.name}-${record.version}.${record.checksum}${name}`,
    node: {
      kind: "file",
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtimeSeconds: record.buildTimeSeconds,
      content: textSource(content),
    },
  }));
}

/** Writes scripts.tar. */
export async function writeScripts(entries: readonly TarSourceEntry[], sink: ByteSink): Promise<void> {
  const root = (): string => "root";
  await writeTar(entries, sink, { userName: root, groupName: root });
}
