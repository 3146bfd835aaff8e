// The index behind an image's tag: for each architecture a container image, a VM's image, or both.

import { type Architecture, architectures, KelpieError } from "@kelpie/platform";
import type { BlobDescription } from "../oci/blob-download.ts";
import { type Descriptor, type Index, indexMediaType, manifestMediaType } from "../oci/manifest.ts";
import { imageArtifactType } from "./image-manifest.ts";

/** `vm`: the parts of rootfs.ext4, vmlinuz and initrd. `container`: what docker and its like run. */
export type ImageForm = "vm" | "container";

/** Which image a manifest is of. */
export interface IndexedImage {
  readonly form: ImageForm;
  readonly architecture: Architecture;
  readonly version: string;
}

/** Says on a descriptor that it is a container image: tools that copy an index may drop the other's artifactType. */
const formKey = "dev.kelpie.form";

/** An index with nothing in it. */
export const emptyIndex: Index = { schemaVersion: 2, mediaType: indexMediaType, manifests: [] };

/** `index` with one image in it, in the place of any of the same form and architecture; everything else stays. */
export function withImage(
  index: Index,
  { form, architecture, version }: IndexedImage,
  { digest, size }: BlobDescription,
): Index {
  const others = index.manifests.filter((descriptor) => !isImageFor(descriptor, form, architecture));
  const own: Descriptor = {
    mediaType: manifestMediaType,
    digest,
    size,
    platform: { architecture, os: "linux" },
    ...(form === "vm" ? { artifactType: imageArtifactType } : {}),
    annotations: {
      "org.opencontainers.image.version": version,
      ...(form === "container" ? { [formKey]: form } : {}),
    },
  };
  const images = [...others.filter((descriptor) => formOf(descriptor) !== undefined), own];
  return {
    ...index,
    manifests: [
      // In a fixed order, so that the same images give the same index whichever was pushed first.
      ...images.sort((a, b) => order(a) - order(b)),
      ...others.filter((descriptor) => formOf(descriptor) === undefined),
    ],
  };
}

/** The VM's image for an architecture. @throws KelpieError `not-found`, naming what there is. */
export function imageOf(index: Index, architecture: Architecture, where: string): BlobDescription {
  const found = index.manifests.find((descriptor) => isImageFor(descriptor, "vm", architecture));
  if (found !== undefined) return { digest: found.digest, size: found.size };
  const there = index.manifests
    .filter((descriptor) => formOf(descriptor) === "vm")
    .map(({ platform }) => platform?.architecture ?? "unknown");
  throw new KelpieError("not-found", `There is no ${architecture} image here`, {
    found: there.length === 0 ? "no Kelpie image at all" : there.join(", "),
    where,
  });
}

/** Undefined for what is not ours. Where a VM's image has lost its type, its manifest has it again. */
function formOf({ artifactType = imageArtifactType, annotations = {} }: Descriptor): ImageForm | undefined {
  if (annotations[formKey] === "container") return "container";
  return artifactType === imageArtifactType ? "vm" : undefined;
}

function isImageFor(descriptor: Descriptor, form: ImageForm, architecture: Architecture): boolean {
  return (
    formOf(descriptor) === form &&
    descriptor.platform?.os === "linux" &&
    descriptor.platform.architecture === architecture
  );
}

/** Container images first: whoever knows no artifacts takes the first manifest for its platform. */
function order(descriptor: Descriptor): number {
  const { platform } = descriptor;
  const position = architectures.findIndex((architecture) => architecture === platform?.architecture);
  return position + (formOf(descriptor) === "container" ? 0 : architectures.length);
}
