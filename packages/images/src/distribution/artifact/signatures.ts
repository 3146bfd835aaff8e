// Signatures of images in a registry: pushed as referrers of their manifests, found there again.

import type { KeyObject } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import type { FoundSignature } from "../../trust/check-trust.ts";
import { envelopeMediaType, maxEnvelopeBytes, signEnvelope } from "../../trust/dsse.ts";
import { maxBundleBytes } from "../../trust/sigstore.ts";
import { statementBytes, statementPayloadType } from "../../trust/statement.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import type { Digest } from "../oci/digest.ts";
import { type Descriptor, parseManifest } from "../oci/manifest.ts";
import type { BlobTarget } from "../oci/push-blob.ts";
import { pushReferrer } from "../oci/push-referrer.ts";
import type { RegistryClient } from "../oci/registry-client.ts";

export const signatureArtifactType = "application/vnd.kelpie.signature.v1";

/** Anybody who may push may add signatures: no more than this many are looked at. */
const maxSignatures = 32;

/** What signs. */
export interface Signer {
  /** Of its public key. */
  readonly id: string;
  readonly privateKey: KeyObject;
}

/** Signs a manifest and pushes the signature as its referrer. `name` says for people what it is. */
export async function pushSignature(
  target: BlobTarget,
  manifest: BlobDescription,
  name: string,
  { id, privateKey }: Signer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const payload = statementBytes({ name, sha256: manifest.digest.slice("sha256:".length) });
  const bytes = signEnvelope(statementPayloadType, payload, id, privateKey);
  const referrer = {
    artifactType: signatureArtifactType,
    title: "signature.dsse.json",
    mediaType: envelopeMediaType,
    bytes,
  };
  await pushReferrer(target, manifest, referrer, signal);
}

/** The signatures of a manifest, envelopes and sigstore bundles, none of them verified. */
export async function findSignatures(
  client: RegistryClient,
  manifest: Digest,
  signal: AbortSignal | undefined,
): Promise<readonly FoundSignature[]> {
  const found: FoundSignature[] = [];
  for (const referrer of await client.referrers(manifest, signal)) {
    const kind = kindOf(referrer);
    if (kind === undefined) continue;
    if (found.length >= maxSignatures) break;
    const bytes = await contentOf(client, referrer, kind, signal);
    if (bytes !== undefined) found.push({ kind, bytes, where: referrer.digest });
  }
  return found;
}

function kindOf({ artifactType = "" }: Descriptor): FoundSignature["kind"] | undefined {
  if (artifactType === signatureArtifactType) return "envelope";
  return /^application\/vnd\.dev\.sigstore\.bundle\b/.test(artifactType) ? "bundle" : undefined;
}

/** Undefined for what is not as a signature is: it counts as none. */
async function contentOf(
  client: RegistryClient,
  { digest }: Descriptor,
  kind: FoundSignature["kind"],
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const limit = kind === "envelope" ? maxEnvelopeBytes : maxBundleBytes;
  try {
    const manifest = await client.fetchManifest({ kind: "digest", digest }, signal);
    const [layer] = manifest === undefined ? [] : parseManifest(manifest.bytes, digest).layers;
    return layer === undefined || layer.size > limit ? undefined : await client.fetchBlob(layer, { signal });
  } catch (error) {
    if (KelpieError.is(error) && ["malformed", "not-found", "limit-exceeded"].includes(error.code))
      return undefined;
    throw error;
  }
}
