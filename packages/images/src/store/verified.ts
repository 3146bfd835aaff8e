// What has been hashed once need not be hashed at every use: a record of how the file looked on the disk then.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileSource } from "@kelpie/formats";
import {
  type Files,
  type FileStatus,
  KelpieError,
  type Platform,
  readTextIfPresent,
  replaceFile,
} from "@kelpie/platform";

const maxRecordBytes = 256;

/** What a file must be. */
export interface FileDigest {
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** The directory of the records, in the store's `root`. */
export function verifiedDirectory(root: string): string {
  return join(root, ".verified");
}

/** Device, inode, size and time: another content without another of these needs somebody who means it. */
export function stampOf({ device, inode, sizeBytes, mtimeMs }: FileStatus): string {
  return `${device}:${inode}:${sizeBytes}:${mtimeMs}`;
}

/** Hashes a file. */
export async function hashFile(
  files: Pick<Files, "open">,
  path: string,
  sizeBytes: number,
  signal?: AbortSignal,
): Promise<FileDigest> {
  const hash = createHash("sha256");
  let hashedBytes = 0;
  for await (const chunk of fileSource(files, path, 0, sizeBytes).open(signal)) {
    hash.update(chunk);
    hashedBytes += chunk.length;
  }
  return { sizeBytes: hashedBytes, sha256: hash.digest("hex") };
}

/** Whether the file that has `status` was seen to have this content. */
export async function isKnown(
  files: Pick<Files, "readFile">,
  root: string,
  sha256: string,
  status: FileStatus,
): Promise<boolean> {
  const record = await readTextIfPresent(files, join(verifiedDirectory(root), sha256), maxRecordBytes);
  return record === stampOf(status);
}

/** Records that the file that has `status` has this content. A store that cannot be written goes without. */
export async function remember(
  platform: Pick<Platform, "files" | "host" | "random">,
  root: string,
  sha256: string,
  status: FileStatus,
): Promise<void> {
  try {
    const { files } = platform;
    await files.makeDirectory(verifiedDirectory(root));
    await replaceFile(platform, join(verifiedDirectory(root), sha256), stampOf(status));
  } catch (error) {
    if (!isUnwritable(error)) throw error;
  }
}

/** Whether an error says that this store cannot be written, which reading does without. */
export function isUnwritable(error: unknown): boolean {
  return KelpieError.is(error) && ["read-only", "permission-denied", "disk-full"].includes(error.code);
}

/**
 * Makes sure that a file has the content that it should have: by its record where nothing has changed, by hashing it
 * elsewhere.
 *
 * @throws KelpieError `not-found`, `digest-mismatch`.
 */
export async function checkOnUse(
  platform: Pick<Platform, "files" | "host" | "random">,
  root: string,
  path: string,
  expected: FileDigest,
  signal?: AbortSignal,
): Promise<void> {
  const { files } = platform;
  const status = await files.stat(path);
  if (status === undefined)
    throw new KelpieError("not-found", "A file of an image is missing", { where: path });
  if (status.sizeBytes === expected.sizeBytes && (await isKnown(files, root, expected.sha256, status)))
    return;
  const found =
    status.sizeBytes === expected.sizeBytes
      ? await hashFile(files, path, status.sizeBytes, signal)
      : undefined;
  if (found?.sha256 !== expected.sha256) {
    throw new KelpieError("digest-mismatch", "A file of an image is not what it was", {
      expected: `${expected.sizeBytes} bytes with sha256 ${expected.sha256}`,
      found: `${status.sizeBytes} bytes${found === undefined ? "" : ` with sha256 ${found.sha256}`}`,
      where: path,
      help: "Remove the image by `kelpie images remove`, and build or download it again.",
    });
  }
  await remember(platform, root, expected.sha256, status);
}
