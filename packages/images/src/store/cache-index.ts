// cache.json: a summary of every image in the store, so that a listing need not read every metadata.json.
// It is never the truth: an entry counts only while the metadata.json that it was made from is unchanged.

import { join } from "node:path";
import { type Files, KelpieError, type Platform, replaceFile } from "@kelpie/platform";
import { bootKernel } from "../metadata/boot-kernel.ts";
import {
  imageFileNames,
  imageFiles,
  type ImageMetadata,
  kernelFileNames,
  type KernelFileName,
  maxMetadataBytes,
  parseImageMetadata,
} from "../metadata/image-metadata.ts";
import { isUnwritable, stampOf } from "./verified.ts";

const maxIndexBytes = 64 << 20;
/** Raised with every change of an entry: an older index is made anew. */
const indexVersion = 6;

/** What a listing shows of an image. */
export interface ImageSummary {
  readonly directory: string;
  /** Identity of the metadata.json behind this entry. */
  readonly stamp: string;
  readonly name: string;
  readonly distribution: string;
  readonly kernelRelease: string;
  readonly hostname: string;
  readonly buildDate: string;
  readonly sizeBytes: number;
  readonly files: ImageMetadata["files"];
  /** What QEMU is given as the kernel. */
  readonly qemuKernel: KernelFileName;
  readonly mountsRoot: boolean;
}

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
  const paths = directories.map((directory) => `${root}/${directory}/metadata.json`);
  const statuses = await platform.files.statAll(paths);
  const results: (ImageSummary | BrokenImage)[] = [];
  for (const [index, directory] of directories.entries()) {
    const status = statuses[index];
    const entry = known.get(directory);
    const stamp = status === undefined ? undefined : stampOf(status);
    if (stamp === undefined) results.push({ directory, reason: "metadata.json is missing" });
    else if (entry?.stamp === stamp) results.push(entry);
    else results.push(await readSummary(platform.files, root, directory, stamp));
  }
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
    return new Map(parseIndex(JSON.parse(text)).map((image) => [image.directory, image]));
  } catch {
    // Missing, cut short or of another version: the directories tell everything again.
    return new Map();
  }
}

/** By hand: a schema would copy thousands of entries, and take longer than the rest of a listing. */
function parseIndex(value: unknown): readonly ImageSummary[] {
  if (!isRecord(value) || value["schemaVersion"] !== indexVersion) return [];
  const images = value["images"];
  return Array.isArray(images) && images.every(isSummary) ? images : [];
}

function isSummary(value: unknown): value is ImageSummary {
  return (
    isRecord(value) &&
    textFields.every((field) => typeof value[field] === "string") &&
    typeof value["sizeBytes"] === "number" &&
    typeof value["mountsRoot"] === "boolean" &&
    kernelFileNames.some((name) => name === value["qemuKernel"]) &&
    isRecord(value["files"]) &&
    areFiles(value["files"])
  );
}

const textFields = [
  "directory",
  "stamp",
  "name",
  "distribution",
  "kernelRelease",
  "hostname",
  "buildDate",
] as const satisfies readonly (keyof ImageSummary)[];

function areFiles(files: Readonly<Record<string, unknown>>): boolean {
  return imageFileNames.every((name) => {
    const file = files[name];
    if (file === undefined) return name === "vmlinux";
    return isRecord(file) && typeof file["sizeBytes"] === "number" && typeof file["sha256"] === "string";
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
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
