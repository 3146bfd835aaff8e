// A vendored artifact, from an image layout or a registry, back into a directory that a build takes.

import { dirname, join } from "node:path";
import { type Architecture, KelpieError, type Platform, writeFileAtomic } from "@kelpie/platform";
import type { BlobDescription } from "../distribution/oci/blob-download.ts";
import { digestOf } from "../distribution/oci/digest.ts";
import { readLayoutBlob, readLayoutIndex } from "../distribution/oci/layout.ts";
import { maxManifestBytes, parseManifest } from "../distribution/oci/manifest.ts";
import { formatReference, type RegistryReference } from "../distribution/oci/reference.ts";
import { RegistryClient } from "../distribution/oci/registry-client.ts";
import type { TransferOptions } from "../distribution/oci/registry-http.ts";
import { sha256Of } from "../plan/host-files.ts";
import { parseLock } from "../plan/lock.ts";
import { lockedPlaces, vendoredLockPath } from "./vendor.ts";
import { decodeVendored } from "./vendored-manifest.ts";

/** Where an artifact stands. */
export type VendoredPlace =
  | { readonly kind: "layout"; readonly directory: string }
  | { readonly kind: "registry"; readonly reference: RegistryReference };

interface FetchOptions {
  readonly transfer?: TransferOptions;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Brings what a build for `architecture` takes of an artifact into a directory under `cache`, laid out as
 * `buildFromVendored` wants it, and returns that directory. Every file is held against its digest.
 *
 * @throws KelpieError `not-found`, `unsupported` for another artifact, `malformed`, `digest-mismatch`, and what a transfer
 * can fail with.
 */
export async function fetchVendored(
  platform: Platform,
  cache: string,
  place: VendoredPlace,
  architecture: Architecture,
  options: FetchOptions = {},
): Promise<string> {
  const { files } = platform;
  const { where, manifest, blob } = await openArtifact(platform, place, options);
  const contents = decodeVendored(parseManifest(manifest, where), where);
  const text = await blob(contents.lock);
  const locked = parseLock(new TextDecoder().decode(text), where)[architecture];
  const directory = join(cache, "vendored", digestOf(manifest).replace(":", "-"));
  for (const name of locked === undefined ? [] : lockedPlaces(locked)) {
    const described = contents.files.get(name);
    if (described === undefined)
      throw new KelpieError("malformed", "An artifact lacks a file that its lock names", {
        expected: name,
        where,
      });
    const path = join(directory, name);
    if (
      (await files.stat(path))?.sizeBytes === described.size &&
      (await sha256Of(files, path)) === described.digest
    )
      continue;
    await files.makeDirectory(dirname(path));
    await writeFileAtomic(platform, path, await blob(described));
  }
  await files.makeDirectory(directory);
  await writeFileAtomic(platform, vendoredLockPath(directory), text);
  return directory;
}

interface OpenArtifact {
  /** For messages. */
  readonly where: string;
  readonly manifest: Uint8Array;
  readonly blob: (description: BlobDescription) => Promise<Uint8Array>;
}

async function openArtifact(
  platform: Platform,
  place: VendoredPlace,
  { transfer, signal }: FetchOptions,
): Promise<OpenArtifact> {
  switch (place.kind) {
    case "layout": {
      const { files } = platform;
      const { directory } = place;
      const [only, ...more] = (await readLayoutIndex(files, directory)).manifests;
      if (only === undefined || more.length > 0 || only.size > maxManifestBytes)
        throw new KelpieError("unsupported", "This layout does not hold one vendored artifact", {
          expected: `one manifest of at most ${maxManifestBytes} bytes`,
          found: `${more.length + (only === undefined ? 0 : 1)}`,
          where: directory,
        });
      const blob = (description: BlobDescription): Promise<Uint8Array> =>
        readLayoutBlob(files, directory, description);
      return { where: directory, manifest: await blob(only), blob };
    }
    case "registry": {
      const { reference } = place;
      const client = new RegistryClient(platform, reference, "pull", transfer);
      const where = formatReference(reference);
      const found = await client.fetchManifest(reference.target, signal);
      if (found === undefined)
        throw new KelpieError("not-found", "The registry has no such artifact", { where });
      return {
        where,
        manifest: found.bytes,
        blob: (description) => client.fetchBlob(description, { signal }),
      };
    }
    default:
      return place satisfies never;
  }
}
