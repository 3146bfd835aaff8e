// From a header and its extended records to what an entry really is.

import { KelpieError } from "@kelpie/platform";
import { normalizePath } from "../tree/path.ts";
import type { TarHeader } from "./header.ts";
import { type PaxRecords, paxNumber, paxText, paxXattrs } from "./pax.ts";
import type { TarEntry } from "./tar-entry.ts";

/** Everything of an entry but its content. */
export type EntryFields = Omit<TarEntry, "content" | "contentOffset">;

const kindOfType: Readonly<Record<string, TarEntry["kind"]>> = {
  "0": "file",
  "1": "hard-link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
};
const maxId = 2 ** 32 - 1;
const maxSymlinkBytes = 4095;

/** Applies the records and checks what only makes sense together. */
export function entryFields(
  header: TarHeader,
  records: PaxRecords,
  { where, sparse: isAsked }: { readonly where: string; readonly sparse: boolean },
): EntryFields {
  const sparse = sparseFile(records, where);
  if (sparse !== undefined && (!isAsked || header.type !== "0")) throw unsupported("a sparse file", where);
  const rawPath = sparse?.name ?? paxText(records, "path", where) ?? header.path;
  const kind = kindOf(header, rawPath, where);
  const path = normalizePath(rawPath);
  if (path === "" && kind !== "directory") throw malformed("a name", JSON.stringify(rawPath), where);
  const sizeBytes = paxNumber(records, "size", where) ?? header.sizeBytes;
  if (sizeBytes < 0) throw malformed("a size of at least 0", `${sizeBytes}`, where);
  // Some readers take bytes after such an entry for its content, some for the next header.
  if (kind !== "file" && sizeBytes !== 0) throw malformed(`size 0 for a ${kind}`, `${sizeBytes}`, where);
  const isDevice = kind === "character-device" || kind === "block-device";
  return {
    path,
    kind,
    mode: header.mode,
    uid: id(paxNumber(records, "uid", where) ?? header.uid, where),
    gid: id(paxNumber(records, "gid", where) ?? header.gid, where),
    uname: paxText(records, "uname", where) ?? header.uname,
    gname: paxText(records, "gname", where) ?? header.gname,
    mtimeSeconds: paxNumber(records, "mtime", where) ?? header.mtimeSeconds,
    linkTarget: linkTarget(kind, paxText(records, "linkpath", where) ?? header.linkTarget, where),
    major: isDevice ? id(header.major, where) : 0,
    minor: isDevice ? id(header.minor, where) : 0,
    xattrs: paxXattrs(records, where),
    paxRecords: records,
    sizeBytes,
    ...(sparse === undefined ? {} : { sparseSizeBytes: sparse.sizeBytes }),
  };
}

/** What GNU tar's format 1.0 says of a file with holes; `unsupported` for its older ones. */
function sparseFile(
  records: PaxRecords,
  where: string,
): { readonly name: string; readonly sizeBytes: number } | undefined {
  const prefix = "GNU.sparse.";
  const keys = new Set([...records.keys()].filter((key) => key.startsWith(prefix)));
  if (keys.size === 0) return undefined;
  const text = (key: string): string | undefined => paxText(records, `${prefix}${key}`, where);
  const [name, sizeBytes] = [text("name"), paxNumber(records, `${prefix}realsize`, where)];
  const isKnown = text("major") === "1" && text("minor") === "0" && keys.size === 4;
  if (!isKnown || name === undefined || sizeBytes === undefined) throw unsupported("a sparse file", where);
  if (sizeBytes < 0) throw malformed("a size of at least 0", `${sizeBytes}`, where);
  return { name, sizeBytes };
}

function kindOf({ type, isV7 }: TarHeader, rawPath: string, where: string): TarEntry["kind"] {
  const kind = kindOfType[type];
  if (kind === undefined) throw unsupported(`an entry of type ${JSON.stringify(type)}`, where);
  if (kind === "directory" || !rawPath.endsWith("/")) return kind;
  // v7 had no type for directories.
  if (isV7 && kind === "file") return "directory";
  throw malformed(
    `a ${kind} without "/" at the end of its name`,
    JSON.stringify(rawPath.slice(0, 200)),
    where,
  );
}

function linkTarget(kind: TarEntry["kind"], text: string, where: string): string {
  if (kind === "hard-link") {
    const target = normalizePath(text);
    if (target === "") throw malformed("a hard link's target", JSON.stringify(text), where);
    return target;
  }
  if (kind !== "symlink") return "";
  if (text === "" || text.includes("\0") || Buffer.byteLength(text) > maxSymlinkBytes) {
    throw malformed(
      `a symlink's target of 1 to ${maxSymlinkBytes} bytes without NUL`,
      JSON.stringify(text.slice(0, 200)),
      where,
    );
  }
  return text;
}

function id(value: number, where: string): number {
  if (value < 0 || value > maxId) throw malformed(`an owner or device of 0 to ${maxId}`, `${value}`, where);
  return value;
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a tar entry", { expected, found, where });
}

function unsupported(found: string, where: string): KelpieError {
  return new KelpieError("unsupported", "A tar archive holds an entry that is not supported", {
    found,
    where,
  });
}
