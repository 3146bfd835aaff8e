// What differs between two bills of materials beyond the packages' versions: licences, and the crates of the guest's programs.

import { KelpieError, type Platform } from "@kelpie/platform";
import { readAttachment } from "../attachments/read-attachment.ts";
import type { ImageMetadata } from "../metadata/image-metadata.ts";
import { type Component, readComponents } from "../sbom/read-components.ts";
import type { StoredImage } from "../store/image-store.ts";

/** "crate tokio" to its versions, "licence of bash" to its expression. */
export type ComponentFacts = ReadonlyMap<string, string>;

/** Undefined for an image that has no bill of materials, or came without it. */
export async function componentFacts(
  platform: Pick<Platform, "files">,
  image: StoredImage,
  metadata: ImageMetadata,
): Promise<ComponentFacts | undefined> {
  try {
    return factsOf(
      readComponents(await readAttachment(platform, image, metadata, "sbom.cdx.json"), image.directory),
    );
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}

/** As {@link componentFacts}, of what a bill lists. */
export function factsOf(components: readonly Component[]): ComponentFacts {
  const crates = Map.groupBy(
    components.filter(({ kind }) => kind === "crate"),
    ({ name }) => name,
  );
  return new Map([
    ...components
      .filter(({ kind }) => kind === "package")
      .map(({ name, license }) => [`licence of ${name}`, license ?? "not stated"] as const),
    ...[...crates].map(
      ([name, all]) => [`crate ${name}`, all.map(({ version }) => version).join(", ")] as const,
    ),
  ]);
}
