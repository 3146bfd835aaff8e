// Pushing and pulling as the commands do it: names parsed, progress shown.

import {
  defaultImageName,
  formatReference,
  formatImageVersion,
  type ImageForm,
  parseRepository,
  type PulledImage,
  pullImage,
  type PushedImages,
  pushImages,
  type RegistryReference,
  type StoredImage,
} from "@kelpie/images";
import type { Architecture } from "@kelpie/platform";
import type { CommandContext } from "./command.ts";
import { Phases } from "./output/phases.ts";
import { formatSize } from "./output/size.ts";
import { transferPhase } from "./output/transfer.ts";
import { trustNote } from "./output/trust.ts";
import { signerFor } from "./signing.ts";

export interface PushRequest {
  /** Of one version, each for another architecture. */
  readonly images: readonly StoredImage[];
  /** As a person writes it: a repository, or a host. */
  readonly registry: string;
  readonly forms: readonly ImageForm[];
  readonly tags?: readonly string[];
  readonly mountFrom?: string | undefined;
  /** The name of a key. */
  readonly sign?: string | undefined;
}

/** Pushes images and shows the progress. */
export async function push(context: CommandContext, request: PushRequest): Promise<PushedImages> {
  const { platform, terminal, signal } = context;
  const { images, registry, forms, tags = [], mountFrom, sign } = request;
  const signer = await signerFor(context, sign);
  const repository = parseRepository(registry, images[0]?.name ?? defaultImageName);
  const phases = new Phases(terminal, platform.clock);
  return transferPhase(
    phases,
    platform.clock,
    "push",
    (onProgress) =>
      pushImages({ platform, images, repository, forms, signer, tags, mountFrom, onProgress, signal }),
    ({ reference, networkBytes }) =>
      `${reference}, ${formatSize(networkBytes)} sent${sign === undefined ? "" : `, signed by ${sign}`}`,
  );
}

/** Pulls an image and shows the progress. */
export async function pull(
  context: CommandContext,
  reference: RegistryReference,
  architecture: Architecture,
): Promise<PulledImage> {
  const { platform, terminal, home, signal } = context;
  const phases = new Phases(terminal, platform.clock);
  const trust = trustNote();
  return transferPhase(
    phases,
    platform.clock,
    "pull",
    (onProgress) =>
      pullImage({ platform, home, reference, architecture, onProgress, onTrust: trust.onTrust, signal }),
    ({ image, wasThere, networkBytes }) =>
      (wasThere
        ? `${formatImageVersion(image.version)} was there`
        : `${formatReference(reference)}, ${formatSize(networkBytes)} of ${formatSize(image.sizeBytes)} fetched`) +
      trust.text(),
  );
}
