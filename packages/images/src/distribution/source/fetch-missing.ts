// Fetching an image that somebody asks for and the store does not have, from wherever it can be had.

import { join } from "node:path";
import { KelpieError } from "@kelpie/platform";
import type { ImageStore, StoredImage } from "../../store/image-store.ts";
import { chooseImage, defaultImageName, findImage } from "../../store/reference.ts";
import { type ImageVersion, tryParseImageVersion } from "../../version/image-version.ts";
import { pullImage } from "../artifact/pull-image.ts";
import { formatReference, parseReference, type RegistryReference } from "../oci/reference.ts";
import { availableVersions } from "./available.ts";
import { codeOf, describeReason, downloadImage, isPassable, type SourceReason } from "./download-image.ts";
import type { EnsuredImage, EnsureOptions } from "./ensure-image.ts";
import { configuredSources, type ImageSource } from "./source.ts";

/** See `ensureImage`, for an image that is not among `images`, those of the store. */
export async function fetchMissing(
  options: EnsureOptions,
  store: ImageStore,
  images: readonly StoredImage[],
): Promise<EnsuredImage> {
  const { reference } = options;
  const remote = registryReference(reference);
  if (remote === undefined) return await fromSources(options, images);
  const { image, wasThere } = await pullImage({ ...options, reference: remote });
  await store.recordReference(image, reference);
  return { image, fetchedFrom: wasThere ? undefined : formatReference(remote) };
}

/** Undefined for what cannot be meant as a registry's reference: those have a host and a path. */
function registryReference(reference: string): RegistryReference | undefined {
  return reference.includes("/") ? parseReference(reference) : undefined;
}

interface Wanted {
  readonly name: string;
  /** Whether a person said the name, so that a source of another name cannot be meant. */
  readonly isNamed: boolean;
  /** A version, the beginning of one, MAJOR.MINOR, or `latest`. */
  readonly version: string;
}

function wantedOf(reference: string): Wanted {
  const colon = reference.indexOf(":");
  if (colon >= 0)
    return { name: reference.slice(0, colon), isNamed: true, version: reference.slice(colon + 1) };
  const isVersion = reference === "latest" || /^\d/.test(reference);
  return isVersion
    ? { name: defaultImageName, isNamed: false, version: reference }
    : { name: reference, isNamed: true, version: "latest" };
}

async function fromSources(options: EnsureOptions, images: readonly StoredImage[]): Promise<EnsuredImage> {
  const { platform, home, reference, architecture } = options;
  const wanted = wantedOf(reference);
  const sources = options.sources ?? (await configuredSources(platform, home, wanted.name));
  // Throws what a store without sources says.
  if (sources.length === 0) findImage(images, reference, architecture);
  const reasons: SourceReason[] = [];
  for (const source of sources) {
    try {
      const version = await versionAt(options, wanted, source);
      if (version === undefined) {
        const nothing = `nothing that ${JSON.stringify(reference)} names`;
        reasons.push({ source, error: new KelpieError("not-found", nothing) });
        continue;
      }
      const { image } = await downloadImage({ ...options, name: wanted.name, version, sources: [source] });
      return { image, fetchedFrom: source.text };
    } catch (error) {
      if (!isPassable(error)) throw error;
      reasons.push({ source, error });
    }
  }
  throw new KelpieError(
    codeOf(reasons),
    `Neither the store nor any source has the ${architecture} image ${JSON.stringify(reference)}`,
    {
      found: reasons.map(describeReason).join("; "),
      help: `Sources are listed in ${join(home, "config.yaml")} or KELPIE_IMAGE_SOURCES; build an image by \`kelpie images build\`.`,
    },
  );
}

async function versionAt(
  options: EnsureOptions,
  { name, isNamed, version }: Wanted,
  source: ImageSource,
): Promise<ImageVersion | undefined> {
  if (isNamed && source.kind === "registry" && source.repository.name.split("/").at(-1) !== name)
    return undefined;
  const whole = tryParseImageVersion(version);
  if (whole !== undefined) return whole;
  const versions = await availableVersions(
    { ...options, name },
    source,
    /^\d+\.\d+\.\d+/.test(version) ? version : "",
  );
  const offered = versions.map((each) => ({ version: each, name, tags: [], references: [] }));
  return chooseImage(offered, version)?.version;
}
