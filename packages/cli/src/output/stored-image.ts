// An image of the store for programs.

import { formatImageVersion, type StoredImage } from "@kelpie/images";
import type { ImagesImportJson } from "../json/images-import.ts";

/** What names an image, and where it is. */
export function storedImageJson({ version, architecture, directory }: StoredImage): ImagesImportJson {
  return { version: formatImageVersion(version), architecture, directory };
}
