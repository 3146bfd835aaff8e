// The images that a command is about: one version, for one or several architectures.

import { findImage, formatImageVersion, ImageStore, type StoredImage } from "@kelpie/images";
import { architectures, KelpieError } from "@kelpie/platform";
import { architectureOf } from "./architecture.ts";
import type { CommandContext } from "./command.ts";

/**
 * The images that a reference names, of one version: those of all architectures that the store has where no architecture
 * is named, and of every one for "all".
 */
export async function storedImages(
  context: CommandContext,
  reference: string,
  architecture: string | undefined,
): Promise<readonly StoredImage[]> {
  const { images } = await new ImageStore(context.platform, context.home).list();
  return architecture === undefined || architecture === "all"
    ? allOf(images, reference, architecture === "all")
    : [findImage(images, reference, architectureOf(context, architecture))];
}

function allOf(
  images: readonly StoredImage[],
  reference: string,
  areAllNeeded: boolean,
): readonly StoredImage[] {
  const there = architectures.filter((architecture) =>
    images.some((image) => image.architecture === architecture),
  );
  const wanted = areAllNeeded || there.length === 0 ? architectures : there;
  const found = wanted.flatMap((architecture) => {
    try {
      return [findImage(images, reference, architecture)];
    } catch (error) {
      if (areAllNeeded || wanted.length === 1 || !KelpieError.is(error) || error.code !== "not-found")
        throw error;
      return [];
    }
  });
  const [first] = found;
  if (first === undefined) return [findImage(images, reference, wanted[0] ?? "amd64")];
  const version = formatImageVersion(first.version);
  const others = found.filter((image) => formatImageVersion(image.version) !== version);
  if (others.length === 0) return found;
  throw new KelpieError(
    "usage",
    `${JSON.stringify(reference)} names different versions for different architectures`,
    {
      found: found.map((image) => `${formatImageVersion(image.version)} (${image.architecture})`).join(", "),
      help: "Name the whole version, or one architecture by --arch.",
    },
  );
}
