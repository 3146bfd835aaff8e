// cache.json: a summary of every image in the store, so that a listing need not read every metadata.json.
// It is never the truth: an entry counts only while the metadata.json that it was made from is unchanged.

import { join } from "node:path";
import { type Files, KelpieError, type Platform, replaceFile } from "@kelpie/platform";
import { z } from "zod";
import { bootKernel } from "../metadata/boot-kernel.ts";
import {
  imageFiles,
  kernelFileNames,
  maxMetadataBytes,
  parseImageMetadata,
} from "../metadata/image-metadata.ts";
import { isUnwritable, stampOf } from "./verified.ts";

const maxIndexBytes = 64 << 20;
/** Raised with every change of an entry: an older index is made anew. */
const indexVersion = 6;

const fileEntry = z.strictObject({ sizeBytes: z.number(), sha256: z.string() });

const entrySchema = z.strictObject({
  directory: z.string(),
  /** Identity of the metadata.json behind this entry. */
  stamp: z.string(),
  name: z.string(),
  distribution: z.string(),
  kernelRelease: z.string(),
  hostname: z.string(),
  buildDate: z.string(),
  sizeBytes: z.number(),
  files: z.strictObject({
    "rootfs.ext4": fileEntry,
    vmlinuz: fileEntry,
    vmlinux: fileEntry.optional(),
    initrd: fileEntry,
  }),
  /** What QEMU is given as the kernel. */
  qemuKernel: z.enum(kernelFileNames),
  mountsRoot: z.boolean(),
});

const indexSchema = z.strictObject({ schemaVersion: z.literal(indexVersion), images: z.array(entrySchema) });

/** What a listing shows of an image. */
export type ImageSummary = z.infer<typeof entrySchema>;

/** A directory that has an image's name and no image in it. */
export interface BrokenImage {
  readonly directory: string;
  readonly reason: string;
}

/** What `summarize` found. */
export interface Summaries {
  readonly images: readonly ImageSummary[];
  readonly broken: readonly BrokenImage[];
}

/**
 * Summaries of the images in the named directories below `root`, taken from cache.json where it still holds and from
 * metadata.json elsewhere. Rewrites cache.json when it no longer tells the truth and can be written.
 */
export async function summarize(
  platform: Platform,
  root: string,
  directories: readonly string[],
): Promise<Summaries> {
  const known = await readIndex(platform.files, join(root, "cache.json"));
  const paths = directories.map((directory) => join(root, directory, "metadata.json"));
  const statuses = await platform.files.statAll(paths);
  const results = await Promise.all(
    directories.map(async (directory, index) => {
      const status = statuses[index];
      if (status === undefined) return { directory, reason: "metadata.json is missing" };
      const stamp = stampOf(status);
      const entry = known.get(directory);
      return entry?.stamp === stamp ? entry : await readSummary(platform.files, root, directory, stamp);
    }),
  );
  const images = results.filter((result) => "stamp" in result);
  const broken = results.filter((result) => "reason" in result);
  const changed =
    images.length !== known.size || images.some((image) => known.get(image.directory) !== image);
  if (changed) await writeIndex(platform, root, images);
  return { images, broken };
}

async function readSummary(
  files: Files,
  root: string,
  directory: string,
  stamp: string,
): Promise<ImageSummary | BrokenImage> {
  const path = join(root, directory, "metadata.json");
  try {
    const metadata = parseImageMetadata(await files.readFile(path, maxMetadataBytes), path);
    const { name, distribution, kernel, buildDate, files: contents } = metadata;
    return {
      directory,
      stamp,
      name,
      distribution: `${distribution.id} ${distribution.version}`,
      kernelRelease: kernel.release,
      hostname: metadata.hostname ?? "kelpie",
      buildDate,
      sizeBytes: imageFiles(metadata).reduce((total, file) => total + file.sizeBytes, 0),
      files: contents,
      qemuKernel: bootKernel(metadata, "qemu") ?? "vmlinuz",
      mountsRoot: kernel.mountsRoot === true,
    };
  } catch (error) {
    if (KelpieError.is(error)) return { directory, reason: error.message };
    throw error;
  }
}

async function readIndex(files: Files, path: string): Promise<ReadonlyMap<string, ImageSummary>> {
  try {
    const text = new TextDecoder().decode(await files.readFile(path, maxIndexBytes));
    const { images } = indexSchema.parse(JSON.parse(text));
    return new Map(images.map((image) => [image.directory, image]));
  } catch {
    // Missing, cut short or of another version: the directories tell everything again.
    return new Map();
  }
}

async function writeIndex(platform: Platform, root: string, images: readonly ImageSummary[]): Promise<void> {
  const text = `${JSON.stringify({ schemaVersion: indexVersion, images })}\n`;
  try {
    await replaceFile(platform, join(root, "cache.json"), text);
  } catch (error) {
    // A store that cannot be written can still be listed.
    if (!isUnwritable(error)) throw error;
  }
}
