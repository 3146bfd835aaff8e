// The tags of a repository (OCI distribution specification 1.1, "Listing Tags").

import { collect } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { Attempt } from "@kelpie/repositories";
import { z } from "zod";
import { parseJsonAs } from "../../json/parse-json-as.ts";
import { maxManifestBytes } from "./manifest.ts";
import { refused, type RegistryHttp, resolveLocation } from "./registry-http.ts";

const maxPages = 100;
const page = z.object({ tags: z.array(z.string().max(256)).max(100_000).nullish() });

/** All tags; none where there is no such repository. @throws KelpieError `limit-exceeded` for a list without end. */
export async function listTags(http: RegistryHttp, signal?: AbortSignal): Promise<readonly string[]> {
  const tags: string[] = [];
  let target: string | URL = "tags/list";
  for (let count = 0; count < maxPages; count++) {
    const { names, next } = await fetchPage(http, target, signal);
    tags.push(...names);
    if (next === undefined) return tags;
    target = next;
  }
  throw new KelpieError("limit-exceeded", "A registry's list of tags does not end", {
    expected: `at most ${maxPages} pages`,
  });
}

interface Page {
  readonly names: readonly string[];
  readonly next: URL | undefined;
}

function fetchPage(http: RegistryHttp, target: string | URL, signal?: AbortSignal): Promise<Page> {
  return http.retried(signal, () =>
    http.once({ target, signal }, async (response): Promise<Attempt<Page>> => {
      if (response.status === 404) return { kind: "done", value: { names: [], next: undefined } };
      if (response.status !== 200) return await refused(response);
      const bytes = await collect(response.body, maxManifestBytes, "A list of tags");
      const { tags } = parseJsonAs(page, bytes, "A registry's list of tags is not as expected", response.url);
      const link = /<([^>]{1,4096})>\s*;\s*rel="?next"?/i.exec(response.headers.get("link") ?? "")?.[1];
      const next = link === undefined ? undefined : resolveLocation(link, response.url);
      return { kind: "done", value: { names: tags ?? [], next } };
    }),
  );
}
