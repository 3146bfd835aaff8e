// How people name an image of the store: by version, the beginning of one, MAJOR.MINOR, `latest` or a name.

import { type Architecture, KelpieError } from "@kelpie/platform";
import { compareImageVersions, formatImageVersion } from "../version/image-version.ts";
import type { StoredImage } from "./image-store.ts";

/**
 * Finds the one image that `reference` names among those of an architecture: `[NAME:]VERSION`, where VERSION is a full
 * version, the unique beginning of one, `MAJOR.MINOR` (its newest), or `latest` (the newest of all); or a bare NAME
 * (its newest).
 *
 * @throws KelpieError `not-found`, or `usage` where a prefix fits several.
 */
export function findImage(
  images: readonly StoredImage[],
  reference: string,
  architecture: Architecture,
): StoredImage {
  const candidates = images.filter((image) => image.architecture === architecture);
  const colon = reference.indexOf(":");
  const named =
    colon < 0 ? candidates : candidates.filter((image) => image.name === reference.slice(0, colon));
  const version = colon < 0 ? reference : reference.slice(colon + 1);

  const found =
    named.find((image) => formatImageVersion(image.version) === version) ??
    newest(version === "latest" ? named : []) ??
    newest(named.filter((image) => `${image.version.major}.${image.version.minor}` === version)) ??
    newest(colon < 0 ? named.filter((image) => image.name === version) : []) ??
    uniquePrefix(named, version);
  if (found === undefined) throw notFound(images, reference, architecture);
  return found;
}

function newest(images: readonly StoredImage[]): StoredImage | undefined {
  return images.toSorted((a, b) => compareImageVersions(b.version, a.version))[0];
}

function uniquePrefix(images: readonly StoredImage[], prefix: string): StoredImage | undefined {
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
