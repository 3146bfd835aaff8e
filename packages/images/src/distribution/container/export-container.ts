// An image as files that container tools load: an OCI image layout, or an archive for docker load.

import { basename, dirname, join } from "node:path";
import { type TarSourceEntry, writeTar } from "@kelpie/formats";
import { type Files, KelpieError, type Platform, randomHex } from "@kelpie/platform";
import { writeImageFile } from "../../build/file-sink.ts";
import type { StoredImage } from "../../store/image-store.ts";
import { formatImageVersion } from "../../version/image-version.ts";
import type { Digest } from "../oci/digest.ts";
import { releaseFileName } from "../release/export-image.ts";
import { type LayoutFile, requireRoomForLayout, writeLayout } from "../oci/layout.ts";
import { type ContainerImage, containerImage } from "./container-image.ts";
import { dockerArchive, localName, ociLayout } from "./layouts.ts";

/** `oci`: an image layout for any number of architectures. `docker-archive`: for one, as `docker save` writes it. */
export const containerFormats = ["oci", "docker-archive"] as const;
export type ContainerFormat = (typeof containerFormats)[number];

export interface ExportContainerOptions {
  readonly platform: Platform;
  /** Of one version, each for another architecture. */
  readonly images: readonly StoredImage[];
  readonly format: ContainerFormat;
  /**
   * An archive, or a directory in which it gets its own name where one stands there or the path ends in "/". For the format `oci`, a path
   * that does not end in ".tar" is the layout's own directory.
   */
  readonly output: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ExportedContainer {
  readonly path: string;
  /** By which it is run once it is loaded: `kelpie-base:1.0.0-…`. */
  readonly name: string;
  /** Of each architecture's manifest. */
  readonly manifests: readonly { readonly architecture: string; readonly digest: Digest }[];
}

/**
 * Writes container images. The same images give the same bytes.
 *
 * @throws KelpieError `already-exists` for a layout where something stands, `digest-mismatch` where an image is not what
 * its metadata says, `usage` for several images in one docker archive.
 */
export async function exportContainer(options: ExportContainerOptions): Promise<ExportedContainer> {
  const { platform, images, format, signal } = options;
  const { files } = platform;
  const [first] = images;
  if (first === undefined) throw new KelpieError("internal", "There is no image to export");
  if (format === "docker-archive" && images.length > 1)
    throw new KelpieError("usage", "An archive for docker load holds one architecture", {
      help: "Choose one by --arch, or write all of them by --format oci.",
    });
  const path = await placeOf(options, first);
  const isDirectory = format === "oci" && !path.endsWith(".tar");
  if (isDirectory) await requireRoomForLayout(files, path);
  await using scratch = await files.temporaryDirectory("kelpie-container-");
  const container = await containerImage(platform, first, scratch.path, signal);
  const containers: [ContainerImage, ...ContainerImage[]] = [container];
  for (const image of images.slice(1))
    containers.push(await containerImage(platform, image, scratch.path, signal));
  const layout = format === "oci" ? ociLayout(containers) : dockerArchive(container);
  const temporary = join(dirname(path), `.${basename(path)}.${randomHex(platform.random, 6)}.tmp`);
  try {
    if (isDirectory) await writeLayout(files, temporary, layout, signal);
    else await writeArchive(files, temporary, layout, container);
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
  return {
    path,
    name: localName(container),
    manifests: containers.map(({ metadata, manifest }) => ({
      architecture: metadata.architecture,
      digest: manifest.digest,
    })),
  };
}

async function placeOf(
  { platform: { files }, format, output }: ExportContainerOptions,
  image: StoredImage,
): Promise<string> {
  if (format === "oci" && !output.endsWith(".tar")) return output.replace(/(?<=.)\/+$/, "");
  if (output.endsWith("/")) await files.makeDirectory(output);
  if ((await files.stat(output))?.kind !== "directory") return output;
  const version = formatImageVersion(image.version);
  return join(output, releaseFileName({ ...image, version }).replace(/\.tar\.gz$/, ".docker.tar"));
}

async function writeArchive(
  files: Files,
  path: string,
  layout: readonly LayoutFile[],
  { metadata }: ContainerImage,
): Promise<void> {
  const owned = { uid: 0, gid: 0, mtimeSeconds: Math.floor(Date.parse(metadata.buildDate) / 1000) };
  const entries = layout.map(
    ({ path: name, content }): TarSourceEntry => ({
      path: name,
      node: { ...owned, kind: "file", mode: 0o644, content },
    }),
  );
  await writeImageFile(files, path, (sink) => writeTar(entries, sink));
}
