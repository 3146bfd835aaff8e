// The index behind an image's tag: one manifest for each architecture.

import { type Architecture, architectures, KelpieError } from "@kelpie/platform";
import type { BlobDescription } from "../oci/blob-download.ts";
import { type Descriptor, type Index, indexMediaType, manifestMediaType } from "../oci/manifest.ts";
import { imageArtifactType } from "./image-manifest.ts";

/** An index with nothing in it. */
export const emptyIndex: Index = { schemaVersion: 2, mediaType: indexMediaType, manifests: [] };

/** `index` with the image of one architecture in it, in the place of any that it had; everything else stays. */
export function withImage(
  index: Index,
  architecture: Architecture,
  manifest: BlobDescription,
  version: string,
): Index {
  const others = index.manifests.filter((descriptor) => !isImageFor(descriptor, architecture));
  const own: Descriptor = {
    mediaType: manifestMediaType,
    artifactType: imageArtifactType,
    ...manifest,
    platform: { architecture, os: "linux" },
    annotations: { "org.opencontainers.image.version": version },
  };
  // Ours in a fixed order, so that the same images give the same index whichever was pushed first.
  const images = [...others.filter(isImage), own].sort((a, b) => order(a) - order(b));
  return { ...index, manifests: [...images, ...others.filter((descriptor) => !isImage(descriptor))] };
}

/** The image for an architecture. @throws KelpieError `not-found`, naming what there is. */
export function imageOf(index: Index, architecture: Architecture, where: string): BlobDescription {
  const found = index.manifests.find((descriptor) => isImageFor(descriptor, architecture));
  if (found !== undefined) return { digest: found.digest, size: found.size };
  const there = index.manifests.filter(isImage).map(({ platform }) => platform?.architecture ?? "unknown");
  throw new KelpieError("not-found", `There is no ${architecture} image here`, {
    found: there.length === 0 ? "no Kelpie image at all" : there.join(", "),
    where,
  });
}

/** Tools that copy an index may drop the type; the manifest has it again. */
function isImage({ artifactType = imageArtifactType }: Descriptor): boolean {
  return artifactType === imageArtifactType;
}

function isImageFor(descriptor: Descriptor, architecture: Architecture): boolean {
  return (
    isImage(descriptor) &&
    descriptor.platform?.os === "linux" &&
    descriptor.platform.architecture === architecture
  );
}

function order({ platform }: Descriptor): number {
  return architectures.findIndex((architecture) => architecture === platform?.architecture);
}
