// The one image that a command is about.

import { findImage, ImageStore, type StoredImage } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "./build.ts";
import type { CommandContext, OptionSpec } from "./command.ts";

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
  const { images } = await new ImageStore(context.platform, context.home).list();
  return findImage(images, reference, architectureOf(context, architecture));
}

/** @throws KelpieError `usage` where there is none or more than one. */
export function onlyPositional(positionals: readonly string[], what: string, example: string): string {
  const [only, ...more] = positionals;
  if (only !== undefined && more.length === 0) return only;
  throw new KelpieError("usage", `This command takes ${what}`, { help: `For example: ${example}` });
}
