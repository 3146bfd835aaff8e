// What one repository of a registry can be asked (OCI distribution specification 1.1).

import { collect } from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { Attempt } from "@kelpie/repositories";
import { type Access, apiName } from "./authorization.ts";
import { type BlobDescription, type BlobTransferOptions, downloadBlob } from "./blob-download.ts";
import { type BlobContent, uploadBlob } from "./blob-upload.ts";
import { type Digest, digestOf } from "./digest.ts";
import { listTags } from "./list-tags.ts";
import {
  type Descriptor,
  indexMediaType,
  manifestMediaType,
  maxManifestBytes,
  parseIndex,
} from "./manifest.ts";
import { askReferrers, referrersTag } from "./list-referrers.ts";
import type { RegistryReference, RepositoryName } from "./reference.ts";
import { refused, RegistryHttp, type TransferOptions } from "./registry-http.ts";

/** A manifest or index as it stands in the registry. */
export interface FetchedManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

type Target = RegistryReference["target"];

/** One repository. Any number of its methods may run at once. */
export class RegistryClient {
  readonly #http: RegistryHttp;
  readonly #repository: RepositoryName;

  constructor(platform: Platform, repository: RepositoryName, access: Access, options?: TransferOptions) {
    this.#http = new RegistryHttp(platform, repository, access, options);
    this.#repository = repository;
  }

  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const request = { method: "HEAD", target: `blobs/${digest}`, signal } as const;
    return this.#http.retried(signal, () =>
      this.#http.once(request, async (response): Promise<Attempt<boolean>> => {
        if (response.status === 200) return { kind: "done", value: true };
        return response.status === 404 ? { kind: "done", value: false } : await refused(response);
      }),
    );
  }

  /** @throws KelpieError `digest-mismatch`, `not-found`, `unreachable`. The caller has bounded the blob's size. */
  fetchBlob(blob: BlobDescription, options?: BlobTransferOptions): Promise<Uint8Array> {
    return downloadBlob(this.#http, blob, options);
  }

  pushBlob(digest: Digest, content: BlobContent, options?: BlobTransferOptions): Promise<void> {
    return uploadBlob(this.#http, digest, content, options);
  }

  /** Whether the registry could take the blob over from another of its repositories without a transfer. */
  async mountBlob(digest: Digest, from: string, signal?: AbortSignal): Promise<boolean> {
    const source = apiName({ host: this.#repository.host, name: from });
    const request = {
      method: "POST",
      target: `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(source)}`,
      headers: { "content-length": "0" },
      scopes: [`repository:${source}:pull`],
      signal,
    } as const;
    return this.#http.retried(signal, () =>
      this.#http.once(request, async (response): Promise<Attempt<boolean>> => {
        if (response.status === 201) return { kind: "done", value: true };
        // 202 opens an upload in its place, which the registry forgets in time.
        return response.status === 202 ? { kind: "done", value: false } : await refused(response);
      }),
    );
  }

  /** Undefined where there is none. What a digest names is verified. */
  async fetchManifest(target: Target, signal?: AbortSignal): Promise<FetchedManifest | undefined> {
    const request = {
      target: `manifests/${nameOf(target)}`,
      headers: { accept: `${indexMediaType}, ${manifestMediaType}` },
      signal,
    };
    return this.#http.retried(signal, () =>
      this.#http.once(request, async (response): Promise<Attempt<FetchedManifest | undefined>> => {
        if (response.status === 404) return { kind: "done", value: undefined };
        if (response.status !== 200) return await refused(response);
        const bytes = await collect(response.body, maxManifestBytes, "A manifest");
        const mediaType = (response.headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
        const stated = response.headers.get("docker-content-digest");
        const digest = digestOf(bytes);
        const expected = target.kind === "digest" ? target.digest : stated;
        if (expected?.startsWith("sha256:") === true && expected !== digest) {
          const details = { expected, found: digest, where: response.url };
          const error = new KelpieError("digest-mismatch", "A manifest is not what its digest says", details);
          return { kind: "again", error };
        }
        return { kind: "done", value: { mediaType, digest, bytes } };
      }),
    );
  }

  /** All tags; none where there is no such repository. */
  listTags(signal?: AbortSignal): Promise<readonly string[]> {
    return listTags(this.#http, signal);
  }

  /** Puts a manifest under its digest, and under a tag where one is given. */
  async pushManifest(
    mediaType: string,
    bytes: Uint8Array,
    tag?: string,
    signal?: AbortSignal,
  ): Promise<Digest> {
    await this.#put(mediaType, bytes, tag, signal);
    return digestOf(bytes);
  }

  /** Puts a manifest that refers to another, and says whether the registry lists it among the other's referrers. */
  async pushManifestWithSubject(
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly isListed: boolean }> {
    const headers = await this.#put(manifestMediaType, bytes, undefined, signal);
    return { digest: digestOf(bytes), isListed: headers.has("oci-subject") };
  }

  /** What refers to a manifest, by the registry's list or the tag that stands in for it. */
  async referrers(subject: Digest, signal?: AbortSignal): Promise<readonly Descriptor[]> {
    const listed = (await askReferrers(this.#http, subject, signal)) ?? [];
    if (listed.length > 0) return listed;
    // A registry that got the list later than the image still has the tag.
    const tag = referrersTag(subject);
    const found = await this.fetchManifest({ kind: "tag", tag }, signal);
    return found?.mediaType === indexMediaType ? parseIndex(found.bytes, tag).manifests : [];
  }

  #put(
    mediaType: string,
    bytes: Uint8Array,
    tag: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, string>> {
    const request = {
      method: "PUT",
      target: `manifests/${tag ?? digestOf(bytes)}`,
      headers: { "content-type": mediaType },
      body: () => bytes,
      signal,
    } as const;
    return this.#http.retried(signal, () =>
      this.#http.once(
        request,
        async (response): Promise<Attempt<ReadonlyMap<string, string>>> =>
          response.status === 201 || response.status === 200
            ? { kind: "done", value: response.headers }
            : await refused(response),
      ),
    );
  }
}

function nameOf(target: Target): string {
  return target.kind === "tag" ? target.tag : target.digest;
}
