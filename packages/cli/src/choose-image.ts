// The one image that a command is about.

import { ensureImage, findImage, ImageStore, type StoredImage } from "@kelpie/images";
import { type Architecture, KelpieError } from "@kelpie/platform";
import { architectureOf } from "./architecture.ts";
import type { CommandContext, OptionSpec } from "./command.ts";
import { Phases } from "./output/phases.ts";
import { formatSize } from "./output/size.ts";
import { progressOf } from "./output/transfer.ts";
import { trustNote } from "./output/trust.ts";

/** For commands about one image of the store. */
export const archOption = {
  type: "string",
  value: "ARCH",
  help: "amd64 or arm64 [default: this machine's]",
} as const satisfies OptionSpec;

/** The image that the only positional names. `example` is a whole command line, for the message where there is none. */
export async function storedImage(
  context: CommandContext,
  positionals: readonly string[],
  architecture: string | undefined,
  example: string,
): Promise<StoredImage> {
  const reference = onlyPositional(positionals, "one image of the store", example);
  return chooseImage(context, reference, architectureOf(context, architecture));
}

/** The image of the store that `reference` names. @throws KelpieError `not-found`. */
export async function chooseImage(
  { platform, home }: CommandContext,
  reference: string,
  architecture: Architecture,
): Promise<StoredImage> {
  const { images } = await new ImageStore(platform, home).list();
  return findImage(images, reference, architecture);
}

/**
 * The image that a sandbox is to run: verified, and fetched first where the store does not have it, with its progress shown.
 *
 * @throws KelpieError `not-found` where no source has it either.
 */
export async function imageForUse(
  { platform, terminal, home, signal }: CommandContext,
  reference: string,
  architecture: Architecture,
): Promise<StoredImage> {
  const { clock } = platform;
  const phases = new Phases(terminal, clock);
  const start = clock.monotonicMs();
  const onProgress = progressOf(phases, clock, "image");
  const { onTrust, text } = trustNote();
  const ensured = await ensureImage({ platform, home, reference, architecture, onProgress, onTrust, signal });
  const { image, fetchedFrom } = ensured;
  if (fetchedFrom !== undefined)
    phases.done(
      "image",
      clock.monotonicMs() - start,
      `${formatSize(image.sizeBytes)} from ${fetchedFrom}${text()}`,
    );
  return image;
}

/** @throws KelpieError `usage` where there is none or more than one. */
export function onlyPositional(positionals: readonly string[], what: string, example: string): string {
  const [only, ...more] = positionals;
  if (only !== undefined && more.length === 0) return only;
  throw new KelpieError("usage", `This command takes ${what}`, { help: `For example: ${example}` });
}
