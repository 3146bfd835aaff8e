// Taking an image out of the store, with what is there only because of it.

import { imageFile, ImageStore, type StoredImage } from "@kelpie/images";
import { TemplateStore } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";

/** Removes an image and the templates of its sandboxes. @throws KelpieError `in-use`, naming who uses it. */
export async function removeImage(
  { platform, home }: Pick<CommandContext, "platform" | "home">,
  image: StoredImage,
): Promise<void> {
  await new ImageStore(platform, home).remove(image);
  await new TemplateStore(platform, home).removeOfImage(imageFile(image, "rootfs.ext4"));
}
