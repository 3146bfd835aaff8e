// Manifests and indexes of the OCI image specification 1.1: checked when read, one text for one value when written.

import { KelpieError } from "@kelpie/platform";
import { z } from "zod";
import { parseJsonAs } from "../../json/parse-json-as.ts";
import { canonicalJson } from "../../plan/canonical-json.ts";
import { isDigest } from "./digest.ts";

/** The largest manifest or index that is read or written: what registries accept. */
export const maxManifestBytes = 4 << 20;

export const manifestMediaType = "application/vnd.oci.image.manifest.v1+json";
export const indexMediaType = "application/vnd.oci.image.index.v1+json";

const text = z.string().max(4096);
const annotations = z.record(text, z.string().max(65_536));
const digest = z.custom<`sha256:${string}`>(
  (value) => typeof value === "string" && isDigest(value),
  "expected sha256:<64 hexadecimal digits>",
);

/** Unknown fields are kept: what others wrote into an index that we add to is not ours to drop. */
const descriptor = z.looseObject({
  mediaType: text,
  digest,
  size: z.int().nonnegative(),
  annotations: annotations.optional(),
  artifactType: text.optional(),
  platform: z.looseObject({ architecture: text, os: text, variant: text.optional() }).optional(),
});

const manifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(manifestMediaType),
  artifactType: text.optional(),
  config: descriptor,
  layers: z.array(descriptor).max(16_384),
  annotations: annotations.optional(),
});

const index = z.looseObject({
  schemaVersion: z.literal(2),
  /** Some tools leave it out of a layout's index. */
  mediaType: z.literal(indexMediaType).default(indexMediaType),
  artifactType: text.optional(),
  manifests: z.array(descriptor).max(4096),
  annotations: annotations.optional(),
});

export type Descriptor = z.infer<typeof descriptor>;
export type Manifest = z.infer<typeof manifest>;
export type Index = z.infer<typeof index>;

/** @throws KelpieError `malformed` naming the field. `where` is for messages. */
export function parseManifest(bytes: Uint8Array, where: string): Manifest {
  return parseJsonAs(manifest, bytes, "A registry's manifest is not as expected", where);
}

/** @throws KelpieError `malformed` naming the field. `where` is for messages. */
export function parseIndex(bytes: Uint8Array, where: string): Index {
  return parseJsonAs(index, bytes, "A registry's index is not as expected", where);
}

/** The bytes of a manifest or an index. */
export function manifestBytes(value: Manifest | Index): Uint8Array {
  const bytes = new TextEncoder().encode(canonicalJson(value, "  "));
  if (bytes.length <= maxManifestBytes) return bytes;
  throw new KelpieError("limit-exceeded", "A manifest would be too large for registries", {
    expected: `at most ${maxManifestBytes} bytes`,
    found: `${bytes.length}`,
  });
}
