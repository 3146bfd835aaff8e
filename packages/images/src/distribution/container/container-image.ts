// An image of the store as an ordinary container image: its root file system is one layer, its kernel and initrd another.

import { join } from "node:path";
import {
  type FileNode,
  fileSource,
  type FileTree,
  type SeekableSource,
  type TarSourceEntry,
} from "@kelpie/formats";
import type { Platform } from "@kelpie/platform";
import { openRootfs } from "../../diff/root-file-system.ts";
import { type ImageMetadata, maxMetadataBytes, parseImageMetadata } from "../../metadata/image-metadata.ts";
import { imageFile, type StoredImage } from "../../store/image-store.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import { digestOf } from "../oci/digest.ts";
import { manifestBytes } from "../oci/manifest.ts";
import { verifyFiles } from "../verify-image.ts";
import { containerConfig, containerManifest, type DescribedLayer } from "./configuration.ts";
import { layerEntries, writeLayer } from "./layer.ts";
import { containerSettings } from "./settings.ts";

/** A document of a container image, in memory. */
export interface ContainerDocument extends BlobDescription {
  readonly bytes: Uint8Array;
}

/** A layer in a file. */
export interface ContainerLayer extends BlobDescription {
  readonly content: SeekableSource;
}

/** A container image for one architecture. */
export interface ContainerImage {
  readonly metadata: ImageMetadata;
  readonly manifest: ContainerDocument;
  readonly config: ContainerDocument;
  readonly layers: readonly ContainerLayer[];
}

/**
 * Makes the container image of a stored image. Its layers are files in `directory`, which must outlive it.
 *
 * @throws KelpieError `digest-mismatch` where the store's files are not what their metadata says, `unsupported` for
 * what a layer cannot hold, `cancelled`, `disk-full`, and as `readExt4`.
 */
export async function containerImage(
  platform: Platform,
  image: StoredImage,
  directory: string,
  signal?: AbortSignal,
): Promise<ContainerImage> {
  const { files } = platform;
  const path = join(image.directory, "metadata.json");
  const metadata = parseImageMetadata(await files.readFile(path, maxMetadataBytes), path);
  await requireIntact(platform, metadata, image, signal);
  const { tree } = await openRootfs(files, image, signal);
  const settings = await containerSettings(tree);
  const place = (layer: string): string => join(directory, `${image.architecture}-${layer}.tar.gz`);
  const layers: DescribedLayer[] = [
    {
      ...(await writeLayer(files, place("rootfs"), layerEntries(tree), signal)),
      createdBy: `kelpie images build # ${metadata.name} ${metadata.version}: the root file system`,
    },
    {
      ...(await writeLayer(files, place("boot"), bootEntries(platform, image, metadata, tree), signal)),
      createdBy: `kelpie images build # ${metadata.name} ${metadata.version}: kernel ${metadata.kernel.release} and initrd`,
    },
  ];
  const config = document(containerConfig(metadata, settings, layers));
  const manifest = document(
    manifestBytes(containerManifest(metadata, { digest: config.digest, size: config.size }, layers)),
  );
  return {
    metadata,
    manifest,
    config,
    layers: layers.map(({ blob, path: layer }) => ({
      ...blob,
      content: fileSource(files, layer, 0, blob.size),
    })),
  };
}

function document(bytes: Uint8Array): ContainerDocument {
  return { digest: digestOf(bytes), size: bytes.length, bytes };
}

/** @throws KelpieError `digest-mismatch`, `not-found`. */
async function requireIntact(
  platform: Platform,
  metadata: ImageMetadata,
  image: StoredImage,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const verdict of await verifyFiles(platform, metadata, image, signal))
    if (verdict.kind === "damaged") throw verdict.reason;
}

/** /boot/vmlinuz and /boot/initrd, by which the container image alone boots a VM. */
function bootEntries(
  { files }: Platform,
  image: StoredImage,
  metadata: ImageMetadata,
  tree: FileTree,
): TarSourceEntry[] {
  const owned = { uid: 0, gid: 0, mtimeSeconds: Math.floor(Date.parse(metadata.buildDate) / 1000) };
  const boot = tree.get("boot") ?? { ...owned, kind: "directory", mode: 0o755 };
  if (boot.kind !== "directory") return [];
  const file = (name: "vmlinuz" | "initrd"): TarSourceEntry => {
    const content = fileSource(files, imageFile(image, name), 0, metadata.files[name].sizeBytes);
    const node: FileNode = { ...owned, kind: "file", mode: 0o644, content };
    return { path: `boot/${name}`, node };
  };
  return [{ path: "boot", node: boot }, file("initrd"), file("vmlinuz")];
}
