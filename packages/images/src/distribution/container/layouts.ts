// Container images as files: an OCI image layout, or an archive for docker load.

import { bytesSource, type ByteSource } from "@kelpie/formats";
import { canonicalJson } from "../../plan/canonical-json.ts";
import { emptyIndex, withImage } from "../artifact/image-index.ts";
import { digestOf } from "../oci/digest.ts";
import { blobFile, blobPath, eachOnce, type LayoutFile, layoutHead } from "../oci/layout.ts";
import { type Index, indexMediaType, manifestBytes } from "../oci/manifest.ts";
import { parseRepository } from "../oci/reference.ts";
import type { ContainerImage } from "./container-image.ts";

/**
 * The name that images have when they are loaded: `kelpie-base:1.0.0-…`.
 *
 * @throws KelpieError `usage` for an image whose name cannot be a container image's.
 */
export function localName({ metadata }: ContainerImage, tag = metadata.version): string {
  const { name } = parseRepository("localhost", metadata.name);
  return `${name}:${tag}`;
}

/** The index over container images for several architectures, as it stands behind a tag. */
function containerIndex(images: readonly ContainerImage[]): Index {
  let index = emptyIndex;
  for (const {
    metadata: { architecture, version },
    manifest,
  } of images)
    index = withImage(index, { form: "container", architecture, version }, manifest);
  return index;
}

/** A layout with one name in it, the version, for an index over all of `images`. */
export function ociLayout(images: readonly [ContainerImage, ...ContainerImage[]]): LayoutFile[] {
  const [first] = images;
  const index = manifestBytes(containerIndex(images));
  const named = { mediaType: indexMediaType, digest: digestOf(index), size: index.length };
  const annotations = {
    "io.containerd.image.name": `docker.io/library/${localName(first)}`,
    "org.opencontainers.image.ref.name": first.metadata.version,
  };
  return [
    ...layoutHead([{ ...named, annotations }]),
    blobFile(named, index),
    ...eachOnce(images.flatMap(blobFiles)),
  ];
}

/**
 * What `docker save` writes for one architecture: manifest.json and the blobs that it names. Loaded, the image is there as its version and
 * as `latest`. It is no layout too: podman would take that, and its one name.
 */
export function dockerArchive(image: ContainerImage): LayoutFile[] {
  const { config, layers } = image;
  const description = {
    Config: blobPath(config.digest),
    RepoTags: [localName(image), localName(image, "latest")],
    Layers: layers.map(({ digest }) => blobPath(digest)),
  };
  return [
    { path: "manifest.json", content: jsonSource([description]) },
    blobFile(config, config.bytes),
    ...eachOnce(layerFiles(image)),
  ];
}

/** What names others comes before them, for a reader of a stream. */
function blobFiles(image: ContainerImage): LayoutFile[] {
  const { manifest, config } = image;
  return [blobFile(manifest, manifest.bytes), blobFile(config, config.bytes), ...layerFiles(image)];
}

function layerFiles({ layers }: ContainerImage): LayoutFile[] {
  return layers.map(({ digest, content }) => ({ path: blobPath(digest), content }));
}

function jsonSource(value: unknown): ByteSource {
  return bytesSource(new TextEncoder().encode(canonicalJson(value)));
}
