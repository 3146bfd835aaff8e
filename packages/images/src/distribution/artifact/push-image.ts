// From the store to a registry.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { StoredImage } from "../../store/image-store.ts";
import { formatImageVersion } from "../../version/image-version.ts";
import { pushContainer } from "../container/push-container.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import type { Digest } from "../oci/digest.ts";
import { type Index, indexMediaType, manifestBytes, parseIndex } from "../oci/manifest.ts";
import { checkTag, formatReference, type RepositoryName } from "../oci/reference.ts";
import { RegistryClient } from "../oci/registry-client.ts";
import type { TransferOptions } from "../oci/registry-http.ts";
import { type OnTransfer, TransferMeter } from "../progress.ts";
import { emptyIndex, type ImageForm, type IndexedImage, withImage } from "./image-index.ts";
import { pushParts } from "./push-parts.ts";
import { pushSignature, type Signer } from "./signatures.ts";

export interface PushOptions {
  readonly platform: Platform;
  /** Images of one version, each for another architecture. */
  readonly images: readonly StoredImage[];
  readonly repository: RepositoryName;
  /** As what they are pushed. Default: as VMs' images only. */
  readonly forms?: readonly ImageForm[];
  /** Signs every manifest that is pushed. */
  readonly signer?: Signer | undefined;
  /** Further tags beside the version. */
  readonly tags?: readonly string[];
  /** Another repository of the same registry that may have parts already. */
  readonly mountFrom?: string | undefined;
  readonly onProgress?: OnTransfer;
  readonly transfer?: TransferOptions;
  readonly signal?: AbortSignal | undefined;
}

export interface PushedImages {
  /** With the version as its tag. */
  readonly reference: string;
  /** Of the index. */
  readonly digest: Digest;
  readonly networkBytes: number;
}

interface PushedManifest extends IndexedImage {
  readonly manifest: BlobDescription;
}

/**
 * Pushes images and puts them into the index behind their version's tag. What the registry has is not sent again, and
 * images for other architectures stay in the index.
 *
 * @throws KelpieError `digest-mismatch` where the store's files are not what their metadata says, `already-exists` where
 * the tag holds something else than an index, and what a transfer can fail with.
 */
export async function pushImages(options: PushOptions): Promise<PushedImages> {
  const { platform, images, repository, tags = [], transfer, signal } = options;
  const client = new RegistryClient(platform, repository, "push", transfer);
  const { pushed, networkBytes } = await pushManifests(options, client);
  const version = pushed[0]?.version;
  if (version === undefined || pushed.some((each) => each.version !== version))
    throw new KelpieError("internal", "Images of one push must have one version", {
      found: images.map((image) => formatImageVersion(image.version)).join(", "),
    });

  let digest: Digest | undefined;
  for (const tag of [version, ...tags.map(checkTag)]) {
    let index = await currentIndex(client, repository, tag, signal);
    // A moving tag that was at another version leaves nothing of it behind.
    if (tag !== version) index = emptyIndex;
    for (const { manifest, ...image } of pushed) index = withImage(index, image, manifest);
    const stored = await client.pushManifest(indexMediaType, manifestBytes(index), tag, signal);
    digest ??= stored;
  }
  if (digest === undefined) throw new KelpieError("internal", "A push has no tag");
  const reference = formatReference({ ...repository, target: { kind: "tag", tag: version } });
  return { reference, digest, networkBytes };
}

async function pushManifests(
  { platform, images, repository, forms = ["vm"], signer, mountFrom, onProgress, signal }: PushOptions,
  client: RegistryClient,
): Promise<{ readonly pushed: readonly PushedManifest[]; readonly networkBytes: number }> {
  const totalBytes = images.reduce((total, image) => total + image.sizeBytes * forms.length, 0);
  const meter = new TransferMeter(totalBytes, onProgress);
  const target = { client, mountFrom, onBytes: meter.network };
  const pushed: PushedManifest[] = [];
  for (const image of images) {
    const { architecture } = image;
    const version = formatImageVersion(image.version);
    for (const form of forms) {
      const manifest =
        form === "vm"
          ? await pushParts(platform, target, image, meter, signal)
          : await pushContainer(platform, target, image, signal);
      if (signer !== undefined) {
        const name = formatReference({ ...repository, target: { kind: "tag", tag: version } });
        await pushSignature(target, manifest, name, signer, signal);
      }
      if (form === "container") meter.done(image.sizeBytes);
      pushed.push({ form, architecture, version, manifest });
    }
  }
  return { pushed, networkBytes: meter.networkBytes };
}

async function currentIndex(
  client: RegistryClient,
  repository: RepositoryName,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<Index> {
  const target = { kind: "tag", tag } as const;
  const found = await client.fetchManifest(target, signal);
  if (found === undefined) return emptyIndex;
  const where = formatReference({ ...repository, target });
  if (found.mediaType === indexMediaType) return parseIndex(found.bytes, where);
  throw new KelpieError("already-exists", "The tag is taken by something else than a Kelpie image", {
    expected: indexMediaType,
    found: found.mediaType,
    where,
  });
}
