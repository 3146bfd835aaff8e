// Which versions a source has: what turns `latest` or `1.0` into one version.

import { type ImageVersion, tryParseImageVersion } from "../../version/image-version.ts";
import type { FetchOptions } from "../fetch-options.ts";
import { RegistryClient } from "../oci/registry-client.ts";
import { readListing, releaseBase } from "../release/release-listing.ts";
import type { ImageSource } from "./source.ts";

/**
 * The versions that a source offers, as far as it can say: a registry's tags, or the assets that SHA256SUMS lists.
 *
 * @param release "1.0.0" where a person asked for that: some release pages can only be found by it.
 * @throws KelpieError as transfers do.
 */
export async function availableVersions(
  options: FetchOptions & { readonly name: string },
  source: ImageSource,
  release: string,
): Promise<readonly ImageVersion[]> {
  const { platform, name, architecture, transfer, signal } = options;
  if (source.kind === "registry") {
    const client = new RegistryClient(platform, source.repository, "pull", transfer);
    return versionsOf(await client.listTags(signal));
  }
  const base = source.kind === "directory" ? source.path : releaseBase(source.baseUrl, "", release);
  if (base === undefined) return [];
  const { checksums } = await readListing(options, source, base);
  const [front, back] = [`${name}-`, `-${architecture}.tar.gz`];
  const assets = [...checksums.keys()].filter((asset) => asset.startsWith(front) && asset.endsWith(back));
  return versionsOf(assets.map((asset) => asset.slice(front.length, -back.length)));
}

/** Other tags and assets are none of ours. */
function versionsOf(names: readonly string[]): readonly ImageVersion[] {
  return names.flatMap((name) => tryParseImageVersion(name) ?? []);
}
