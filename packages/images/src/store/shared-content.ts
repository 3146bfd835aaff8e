// Files of equal content take space once: every file of an image is a hard link to `.blobs/<sha256>`, and read-only, since
// a write through one name would reach all.

import { join } from "node:path";
import { type Files, KelpieError, type Platform } from "@kelpie/platform";
import { type FileDigest, hashFile, isKnown, remember, verifiedDirectory } from "./verified.ts";

const readOnly = 0o444;

function blobPath(root: string, sha256: string): string {
  return join(root, ".blobs", sha256);
}

/**
 * Makes the file at `path`, whose content is known to be `digest`, share its content with all others like it. The caller
 * holds the store's lock. Where the file system has no hard links the file stays as it is.
 */
export async function shareContent(
  platform: Pick<Platform, "files" | "host" | "random">,
  root: string,
  path: string,
  digest: FileDigest,
): Promise<void> {
  const { files } = platform;
  const blob = blobPath(root, digest.sha256);
  await files.setMode(path, readOnly);
  await files.makeDirectory(join(root, ".blobs"));
  if (await isIntact(platform, root, blob, digest)) {
    const link = `${path}.shared`;
    if (await tryLink(files, blob, link)) {
      // A rename onto another name of the same file would do nothing.
      await files.remove(path);
      await files.rename(link, path);
    }
  } else {
    await files.remove(blob);
    await tryLink(files, path, blob);
  }
  const status = await files.stat(path);
  if (status !== undefined) await remember(platform, root, digest.sha256, status);
}

/** Forgets contents that no image has any more. The caller holds the store's lock. Returns the bytes that came free. */
export async function sweepContents({ files }: Pick<Platform, "files">, root: string): Promise<number> {
  const directory = join(root, ".blobs");
  if ((await files.stat(directory)) === undefined) return 0;
  let freedBytes = 0;
  for (const sha256 of await files.list(directory)) {
    const status = await files.stat(blobPath(root, sha256));
    if (status === undefined || status.linkCount > 1) continue;
    await files.remove(blobPath(root, sha256));
    await files.remove(join(verifiedDirectory(root), sha256));
    freedBytes += status.allocatedBytes;
  }
  return freedBytes;
}

async function isIntact(
  { files }: Pick<Platform, "files">,
  root: string,
  blob: string,
  { sizeBytes, sha256 }: FileDigest,
): Promise<boolean> {
  const status = await files.stat(blob);
  if (status?.sizeBytes !== sizeBytes) return false;
  if (await isKnown(files, root, sha256, status)) return true;
  return (await hashFile(files, blob, sizeBytes)).sha256 === sha256;
}

/** False where the file system has no hard links, or no more of them for this file. */
async function tryLink(files: Files, existing: string, path: string): Promise<boolean> {
  try {
    await files.hardLink(existing, path);
    return true;
  } catch (error) {
    if (KelpieError.is(error) && ["permission-denied", "invalid-input"].includes(error.code)) return false;
    throw error;
  }
}
