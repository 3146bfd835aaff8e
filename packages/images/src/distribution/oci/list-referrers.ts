// Asks what refers to a manifest (OCI distribution specification 1.1, "Listing Referrers", and the tag that stands in for
// it where a registry does not know it).

import { collect } from "@kelpie/formats";
import type { Attempt } from "@kelpie/repositories";
import type { Digest } from "./digest.ts";
import { type Descriptor, indexMediaType, maxManifestBytes, parseIndex } from "./manifest.ts";
import { refused, type RegistryHttp } from "./registry-http.ts";

/** The tag that lists the referrers of a manifest in registries without the API for it. */
export function referrersTag(subject: Digest): string {
  return subject.replace(":", "-");
}

/** The answer of the API; undefined where the registry has none. */
export function askReferrers(
  http: RegistryHttp,
  subject: Digest,
  signal?: AbortSignal,
): Promise<readonly Descriptor[] | undefined> {
  const request = { target: `referrers/${subject}`, headers: { accept: indexMediaType }, signal };
  return http.retried(signal, () =>
    http.once(request, async (response): Promise<Attempt<readonly Descriptor[] | undefined>> => {
      if (response.status === 404) return { kind: "done", value: undefined };
      if (response.status !== 200) return await refused(response);
      const bytes = await collect(response.body, maxManifestBytes, "A list of referrers");
      return { kind: "done", value: parseIndex(bytes, response.url).manifests };
    }),
  );
}
