// An image of the store, as a sandbox boots it.

import {
  bootFiles,
  ensureImage,
  type EnsureOptions,
  formatImageVersion,
  ImageStore,
  type StoredImage,
} from "@kelpie/images";
import type { Platform } from "@kelpie/platform";
import type { FoundImage } from "./sandbox-defaults.ts";

/** The image that a reference names, fetched where the store does not have it. */
export async function namedImage(
  platform: Platform,
  options: Omit<EnsureOptions, "platform">,
): Promise<FoundImage> {
  const { image } = await ensureImage({ platform, ...options });
  return storedImage(platform, options.home, image);
}

/** An image of the store at `home`. */
export function storedImage(platform: Platform, home: string, image: StoredImage): FoundImage {
  const { name, directory, architecture } = image;
  return {
    image: bootFiles(image),
    imageRecord: { name, version: formatImageVersion(image.version), directory, architecture },
    lease: (options) => new ImageStore(platform, home).lease(image, options),
  };
}
