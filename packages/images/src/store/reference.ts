// How people name an image: by version, the beginning of one, MAJOR.MINOR, `latest`, a tag or a name.

import { type Architecture, KelpieError } from "@kelpie/platform";
import { formatImageVersion } from "../version/image-version.ts";
import type { StoredImage } from "./image-store.ts";
import { compareAge, type Dated } from "./newest.ts";

/** The image that is meant where nobody says another name. */
export const defaultImageName = "kelpie-base";

/** What can be named: an image of the store, or one that a source has. */
export interface Nameable extends Dated {
  readonly name: string;
  readonly tags: readonly string[];
  readonly references: readonly string[];
}

/**
 * Finds the one image that `reference` names among those of an architecture: `[NAME:]VERSION`, where VERSION is a full
 * version, a tag, `latest` (the newest of all), `MAJOR.MINOR` (its newest), or the unique beginning of a version; or a
 * bare NAME (its newest); or the reference of a registry that it was fetched by.
 *
 * @throws KelpieError `not-found`, or `usage` where a prefix fits several.
 */
export function findImage(
  images: readonly StoredImage[],
  reference: string,
  architecture: Architecture,
): StoredImage {
  const candidates = images.filter((image) => image.architecture === architecture);
  const found = chooseImage(candidates, reference);
  if (found === undefined) throw notFound(images, reference, architecture);
  return found;
}

/** The one that `reference` names, by the rules of `findImage`. @throws KelpieError `usage` where a prefix fits several. */
export function chooseImage<T extends Nameable>(candidates: readonly T[], reference: string): T | undefined {
  const fetched = candidates.find(({ references }) => references.includes(reference));
  if (fetched !== undefined) return fetched;
  const colon = reference.indexOf(":");
  const named =
    colon < 0 ? candidates : candidates.filter((image) => image.name === reference.slice(0, colon));
  const version = colon < 0 ? reference : reference.slice(colon + 1);
  return (
    named.find((image) => formatImageVersion(image.version) === version) ??
    newest(named.filter(({ tags }) => tags.includes(version))) ??
    newest(version === "latest" ? named : []) ??
    newest(named.filter((image) => `${image.version.major}.${image.version.minor}` === version)) ??
    newest(colon < 0 ? named.filter((image) => image.name === version) : []) ??
    uniquePrefix(named, version)
  );
}

function newest<T extends Nameable>(images: readonly T[]): T | undefined {
  return images.toSorted((a, b) => compareAge(b, a))[0];
}

function uniquePrefix<T extends Nameable>(images: readonly T[], prefix: string): T | undefined {
  const matches = images.filter(
    (image) => prefix !== "" && formatImageVersion(image.version).startsWith(prefix),
  );
  if (matches.length > 1) {
    throw new KelpieError("usage", `${JSON.stringify(prefix)} names more than one image`, {
      found: matches.map((image) => formatImageVersion(image.version)).join(", "),
    });
  }
  return matches[0];
}

function notFound(
  images: readonly StoredImage[],
  reference: string,
  architecture: Architecture,
): KelpieError {
  const others = images.map((image) => `${formatImageVersion(image.version)} (${image.architecture})`);
  return new KelpieError("not-found", `There is no ${architecture} image ${JSON.stringify(reference)}`, {
    found: others.length === 0 ? "an empty store" : others.join(", "),
    help: "Build one with `kelpie images build` or `images/build.sh`, or list them with `kelpie images list`.",
  });
}
