// Digests as OCI writes them. SHA-256 is the only algorithm that Kelpie makes or accepts.

import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";

/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}`;

export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

export function parseDigest(text: string): Digest | undefined {
  return isDigest(text) ? text : undefined;
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** @throws KelpieError `digest-mismatch` where `bytes` are not what they should be. */
export function checkDigest(bytes: Uint8Array, expected: Digest, where: string): void {
  const found = digestOf(bytes);
  if (found === expected) return;
  throw new KelpieError("digest-mismatch", "Content is not what its digest says", { expected, found, where });
}
