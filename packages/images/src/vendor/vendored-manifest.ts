// The manifest of what was vendored, as an OCI artifact: the lock is its configuration, each file that was kept a layer.

import { KelpieError } from "@kelpie/platform";
import type { BlobDescription } from "../distribution/oci/blob-download.ts";
import { type Manifest, manifestMediaType } from "../distribution/oci/manifest.ts";
import { maxLockBytes } from "../plan/lock.ts";

export const vendorArtifactType = "application/vnd.kelpie.vendor.v1";
const lockMediaType = "application/vnd.kelpie.lock.v1+yaml";
const fileMediaType = "application/vnd.kelpie.vendor.file.v1";
const title = "org.opencontainers.image.title";

/** No file is longer: it is held in memory when it is fetched. */
const maxFileBytes = 1 << 30;

/** What a vendored artifact says. */
export interface VendoredContents {
  readonly lock: BlobDescription;
  /** By their relative paths. */
  readonly files: ReadonlyMap<string, BlobDescription>;
}

export function encodeVendored({ lock, files }: VendoredContents): Manifest {
  return {
    schemaVersion: 2,
    mediaType: manifestMediaType,
    artifactType: vendorArtifactType,
    config: { mediaType: lockMediaType, ...lock },
    layers: [...files].map(([place, blob]) => ({
      mediaType: fileMediaType,
      ...blob,
      annotations: { [title]: place },
    })),
  };
}

/** @throws KelpieError `unsupported` for a manifest of something else, `limit-exceeded` for what is too large. */
export function decodeVendored(manifest: Manifest, where: string): VendoredContents {
  const { artifactType, config, layers } = manifest;
  if (config.mediaType !== lockMediaType) {
    throw new KelpieError("unsupported", "This is not what kelpie images vendor keeps", {
      expected: vendorArtifactType,
      found: artifactType ?? config.mediaType,
      where,
    });
  }
  const described = ({ digest, size }: BlobDescription, maxBytes: number): BlobDescription => {
    if (size <= maxBytes) return { digest, size };
    throw new KelpieError("limit-exceeded", "A vendored file is too large", {
      expected: `at most ${maxBytes} bytes`,
      found: `${size}`,
      where,
    });
  };
  return {
    lock: described(config, maxLockBytes),
    files: new Map(
      layers.map((layer) => [layer.annotations?.[title] ?? "", described(layer, maxFileBytes)] as const),
    ),
  };
}
