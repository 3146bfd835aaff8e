// What a container runtime is told of an image: its configuration and its manifest (OCI image specification 1.1).

import type { Architecture } from "@kelpie/platform";
import type { ImageMetadata } from "../../metadata/image-metadata.ts";
import { canonicalJson } from "../../plan/canonical-json.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import { type Manifest, manifestMediaType } from "../oci/manifest.ts";
import type { WrittenLayer } from "./layer.ts";
import type { ContainerSettings } from "./settings.ts";

export const containerConfigMediaType = "application/vnd.oci.image.config.v1+json";
export const containerLayerMediaType = "application/vnd.oci.image.layer.v1.tar+gzip";

/** A layer, and in which words its history names it. */
export interface DescribedLayer extends WrittenLayer {
  readonly createdBy: string;
}

/**
 * The bytes of an image's configuration. kelpie-init is the entry point: it reaps, passes signals on, and ends with the
 * command's exit code.
 */
export function containerConfig(
  metadata: ImageMetadata,
  settings: ContainerSettings,
  layers: readonly DescribedLayer[],
): Uint8Array {
  const { architecture, buildDate } = metadata;
  const config = {
    created: buildDate,
    architecture,
    ...variantOf(architecture),
    os: "linux",
    config: {
      Env: settings.environment,
      Entrypoint: ["/sbin/init"],
      Cmd: [settings.shell],
      WorkingDir: settings.workingDirectory,
      Labels: containerLabels(metadata),
      StopSignal: "SIGTERM",
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ createdBy }) => ({ created: buildDate, created_by: createdBy })),
  };
  return new TextEncoder().encode(canonicalJson(config));
}

/** The manifest of an image with this configuration and these layers. */
export function containerManifest(
  metadata: ImageMetadata,
  config: BlobDescription,
  layers: readonly WrittenLayer[],
): Manifest {
  return {
    schemaVersion: 2,
    mediaType: manifestMediaType,
    config: { mediaType: containerConfigMediaType, ...config },
    layers: layers.map(({ blob }) => ({ mediaType: containerLayerMediaType, ...blob })),
    annotations: containerLabels(metadata),
  };
}

/** What the image says of itself, by the keys of the OCI image specification where it has them. */
export function containerLabels(metadata: ImageMetadata): Record<string, string> {
  const { name, version, buildDate, gitSha, distribution, kernel } = metadata;
  return {
    "org.opencontainers.image.title": name,
    "org.opencontainers.image.description": `${distribution.id} ${distribution.version} for sandboxed code, by Kelpie`,
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.created": buildDate,
    "org.opencontainers.image.revision": gitSha,
    [`org.kelpie.${distribution.id}.version`]: distribution.version,
    "org.kelpie.kernel.release": kernel.release,
  };
}

/** The variant that every runtime takes an arm64 image without one for. */
function variantOf(architecture: Architecture): { variant?: string } {
  return architecture === "arm64" ? { variant: "v8" } : {};
}
