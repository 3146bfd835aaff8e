// Writes tar archives: ustar, with pax headers only where ustar cannot say it; the same bytes for the same entries.

import { KelpieError } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import type { ByteSource } from "../byte-source.ts";
import { BlockWriter } from "../stream/block-writer.ts";
import type { TreeEntry } from "../tree/file-tree.ts";
import type { FileNode, TreeNode } from "../tree/node.ts";
import { baseName } from "../tree/path.ts";
import { blockBytes } from "./header.ts";
import { encodePaxRecords } from "./pax-header.ts";
import { encodeUstar, isUstarNumber, type UstarFields, ustarName } from "./ustar-header.ts";

/** A tree entry with what only a tar can say of it. */
export interface TarSourceEntry extends TreeEntry {
  /** Further pax records ("APK-TOOLS.checksum.SHA1"). */
  readonly paxRecords?: ReadonlyMap<string, string>;
}

export interface WriteTarOptions {
  /** Replaces every entry's time, in seconds since the epoch. */
  readonly mtimeSeconds?: number;
  /** Names for numeric owners, for formats that want them; none by default. */
  readonly userName?: (uid: number) => string;
  readonly groupName?: (gid: number) => string;
  /** Whether the two zero blocks at the end are written (default true); an apk's control part has none. */
  readonly endOfArchive?: boolean;
}

const typeOfKind: Readonly<Record<Exclude<TreeNode["kind"], "socket">, string>> = {
  file: "0",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};

/**
 * Writes `entries` in their order. A file node that is met again becomes a hard link to its first name. The root is left out.
 *
 * @throws KelpieError `unsupported` for a socket, `limit-exceeded` for a device number that tar cannot hold, `internal` if a
 * content is not as long as it said.
 */
export async function writeTar(
  entries: Iterable<TarSourceEntry>,
  sink: ByteSink,
  options: WriteTarOptions = {},
): Promise<void> {
  const writer = new BlockWriter(sink);
  const firstNames = new Map<FileNode, string>();
  for (const entry of entries) {
    if (entry.path === "") continue;
    const { node } = entry;
    const firstName = node.kind === "file" ? firstNames.get(node) : undefined;
    await writeHeader(writer, entry, firstName, options);
    if (node.kind !== "file" || firstName !== undefined) continue;
    firstNames.set(node, entry.path);
    await writeContent(writer, node.content, entry.path);
  }
  if (options.endOfArchive !== false) await writer.zeros(2 * blockBytes);
  await writer.flush();
}

async function writeHeader(
  writer: BlockWriter,
  entry: TarSourceEntry,
  firstName: string | undefined,
  options: WriteTarOptions,
): Promise<void> {
  const { path, node } = entry;
  if (node.kind === "socket") {
    throw new KelpieError("unsupported", "A tar archive cannot hold a socket", { where: path });
  }
  const isDevice = node.kind === "character-device" || node.kind === "block-device";
  const fields: UstarFields = {
    path: node.kind === "directory" ? `${path}/` : path,
    type: firstName === undefined ? typeOfKind[node.kind] : "1",
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    sizeBytes: node.kind === "file" && firstName === undefined ? node.content.sizeBytes : 0,
    mtimeSeconds: options.mtimeSeconds ?? node.mtimeSeconds,
    linkTarget: firstName ?? (node.kind === "symlink" ? node.target : ""),
    uname: options.userName?.(node.uid) ?? "",
    gname: options.groupName?.(node.gid) ?? "",
    major: isDevice ? node.major : 0,
    minor: isDevice ? node.minor : 0,
  };
  const records = paxRecordsFor(fields, entry);
  if (records.size > 0) {
    const content = encodePaxRecords(records);
    await writer.write(encodeUstar({ ...paxHeaderFields(fields), sizeBytes: content.length }));
    await writer.write(content);
    await writer.align(blockBytes);
  }
  await writer.write(encodeUstar(fields));
}

function paxRecordsFor(fields: UstarFields, entry: TarSourceEntry): Map<string, string | Uint8Array> {
  const records = new Map<string, string | Uint8Array>(entry.paxRecords);
  if (ustarName(fields.path) === undefined) records.set("path", fields.path);
  if (!isUstarText(fields.linkTarget, 100)) records.set("linkpath", fields.linkTarget);
  if (!isUstarText(fields.uname, 31)) records.set("uname", fields.uname);
  if (!isUstarText(fields.gname, 31)) records.set("gname", fields.gname);
  if (!isUstarNumber(fields.uid, 8)) records.set("uid", `${fields.uid}`);
  if (!isUstarNumber(fields.gid, 8)) records.set("gid", `${fields.gid}`);
  if (!isUstarNumber(fields.sizeBytes, 12)) records.set("size", `${fields.sizeBytes}`);
  if (!isUstarNumber(fields.mtimeSeconds, 12)) records.set("mtime", `${fields.mtimeSeconds}`);
  if (fields.type === "1") return records;
  for (const [name, value] of entry.node.xattrs ?? []) {
    if (name === "" || name.includes("=")) {
      throw new KelpieError("unsupported", "A tar archive cannot hold an extended attribute of this name", {
        found: JSON.stringify(name),
        where: entry.path,
      });
    }
    records.set(`SCHILY.xattr.${name}`, value);
  }
  return records;
}

function isUstarText(text: string, maxBytes: number): boolean {
  return text.length <= maxBytes && /^[\x01-\x7f]*$/.test(text);
}

/** A reader that does not know pax extracts this as a file: it is named so that it stands out and harms nothing. */
function paxHeaderFields({ path, mtimeSeconds }: UstarFields): UstarFields {
  const name = baseName(path.replace(/\/$/, ""))
    .replace(/[^\x20-\x7e]/g, "_")
    .slice(0, 80);
  return {
    path: `PaxHeaders/${name}`,
    type: "x",
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: isUstarNumber(mtimeSeconds, 12) ? mtimeSeconds : 0,
    linkTarget: "",
    uname: "",
    gname: "",
    major: 0,
    minor: 0,
  };
}

async function writeContent(writer: BlockWriter, content: ByteSource, path: string): Promise<void> {
  await writer.content(content, path);
  await writer.align(blockBytes);
}
