// The files of a package: each with the checksum that its archive states for it, verified.

import { createHash } from "node:crypto";
import { type ContentAt, readTar, type TarEntry, type TreeEntry, tarTreeEntries } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";

/** An entry of a package with what the installed database says of it beside the node itself. */
export interface DataEntry extends TreeEntry {
  /** "Q1" and the base64 of the SHA-1 of the content, or of a symlink's target; undefined where there is none. */
  readonly checksum: string | undefined;
  /** The owner's names as the archive has them: they go before its numbers, which are the build machine's. */
  readonly userName: string;
  readonly groupName: string;
}

const checksumRecord = "APK-TOOLS.checksum.SHA1";
const maxEntries = 500_000;

/**
 * Reads the uncompressed data part.
 *
 * @throws KelpieError `digest-mismatch`, `malformed`, `limit-exceeded`, `unsafe-path`.
 */
export async function readDataTar(
  stream: AsyncIterable<Uint8Array>,
  contentAt: ContentAt,
  where: string,
): Promise<DataEntry[]> {
  const toTree = tarTreeEntries(contentAt);
  const checksums = new Map<string, string | undefined>();
  const entries: DataEntry[] = [];
  for await (const entry of readTar(stream, { limits: { maxEntries }, duplicates: "refuse", where })) {
    const checksum =
      entry.kind === "hard-link" ? checksums.get(entry.linkTarget) : await verifiedChecksum(entry, where);
    checksums.set(entry.path, checksum);
    entries.push({ ...toTree(entry), checksum, userName: entry.uname, groupName: entry.gname });
  }
  return entries;
}

async function verifiedChecksum(entry: TarEntry, where: string): Promise<string | undefined> {
  const hash = createHash("sha1");
  if (entry.kind === "file") for await (const chunk of entry.content) hash.update(chunk);
  else if (entry.kind === "symlink") hash.update(entry.linkTarget);
  else return undefined;
  const found = hash.digest();
  const record = entry.paxRecords.get(checksumRecord);
  const stated = record === undefined ? undefined : new TextDecoder().decode(record);
  // apk's own packager states one for every file; a symlink of an old package may lack it.
  if (stated === undefined && entry.kind === "symlink") return `Q1${found.toString("base64")}`;
  if (stated === found.toString("hex")) return `Q1${found.toString("base64")}`;
  throw new KelpieError("digest-mismatch", "A file of a package is not what the package says", {
    expected: stated === undefined ? `a record ${checksumRecord}` : `sha1 ${stated}`,
    found: `sha1 ${found.toString("hex")}`,
    where: `${where}, ${entry.path}`,
  });
}
