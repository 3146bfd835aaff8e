// From a staging directory to an image of the store, in steps of which each can be the last before a crash.

import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import {
  attachmentNames,
  describedFile,
  imageFiles,
  type ImageMetadata,
  maxMetadataBytes,
  serializeImageMetadata,
} from "../metadata/image-metadata.ts";
import { replacedName } from "./layout.ts";
import { refuseIfLeased } from "./leases.ts";
import { shareContent, sweepContents } from "./shared-content.ts";
import type { FileDigest } from "./verified.ts";

/** Writes metadata.json, checks the files against it, and waits until everything is on the disk. */
export async function sealImage(
  { files }: Pick<Platform, "files">,
  staging: string,
  metadata: ImageMetadata,
): Promise<void> {
  {
    await using handle = await files.open(join(staging, "metadata.json"), "create", 0o644);
    await handle.write(serializeImageMetadata(metadata), 0);
    await handle.sync();
  }
  for (const { name, sizeBytes: expectedBytes } of await presentFiles(files, staging, metadata)) {
    await using handle = await files.open(join(staging, name), "read");
    const { sizeBytes } = await handle.stat();
    if (sizeBytes !== expectedBytes) {
      throw new KelpieError("internal", `${name} is not what its metadata says`, {
        expected: `${expectedBytes} bytes`,
        found: `${sizeBytes}`,
      });
    }
    await handle.sync();
  }
  await files.syncDirectory(staging);
}

/**
 * Moves a sealed directory to its name. Where an image stands there already it is set aside first: a crash between the two
 * renames is mended by the next sweep, which puts it back. The caller holds the store's lock.
 *
 * @throws KelpieError `in-use` where another image with that name is in use.
 */
export async function installImage(
  platform: Platform,
  root: string,
  staging: string,
  name: string,
  metadata: ImageMetadata,
): Promise<void> {
  const { files } = platform;
  const target = join(root, name);
  const aside = join(root, replacedName(name));
  const isReplacing = (await files.lstat(target)) !== undefined;
  if (isReplacing && !(await isSame(platform, target, metadata)))
    await refuseIfLeased(platform, root, name, "replace");
  for (const { name: file, ...digest } of await presentFiles(files, staging, metadata))
    await shareContent(platform, root, join(staging, file), digest);
  if (isReplacing) {
    await files.remove(aside);
    await files.rename(target, aside);
  }
  await files.rename(staging, target);
  await files.syncDirectory(root);
  if (!isReplacing) return;
  await files.remove(aside);
  await sweepContents(platform, root);
}

/** The image's files, and those of its attachments that came along. */
async function presentFiles(
  files: Pick<Platform["files"], "stat">,
  staging: string,
  metadata: ImageMetadata,
): Promise<readonly ({ readonly name: string } & FileDigest)[]> {
  const present: ({ readonly name: string } & FileDigest)[] = [...imageFiles(metadata)];
  for (const name of attachmentNames) {
    const described = describedFile(metadata, name);
    if (described !== undefined && (await files.stat(join(staging, name))) !== undefined)
      present.push({ name, ...described });
  }
  return present;
}

/** Whether the image there says the same of itself: then nobody who uses it sees a difference. */
async function isSame(
  { files }: Pick<Platform, "files">,
  target: string,
  metadata: ImageMetadata,
): Promise<boolean> {
  try {
    const present = await files.readFile(join(target, "metadata.json"), maxMetadataBytes);
    return Buffer.compare(present, serializeImageMetadata(metadata)) === 0;
  } catch (error) {
    if (KelpieError.is(error)) return false;
    throw error;
  }
}
