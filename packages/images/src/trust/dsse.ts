// Dead Simple Signing Envelope, version 1: bytes, their type, and signatures of both together.

import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import { z } from "zod";
import { parseJsonAs } from "../json/parse-json-as.ts";

export const envelopeMediaType = "application/vnd.dsse.envelope.v1+json";

/** Largest envelope that is read. */
export const maxEnvelopeBytes = 1 << 20;

const base64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/, "not base64");
const schema = z.object({
  payloadType: z.string().max(200),
  payload: base64,
  signatures: z
    .array(z.object({ keyid: z.string().max(200).nullish(), sig: base64 }))
    .min(1)
    .max(16),
});

export type Envelope = z.infer<typeof schema>;

/** A public key and its name, which is the digest of the key. */
export interface TrustedKey {
  /** `sha256:` and 64 hexadecimal digits, of the key's SubjectPublicKeyInfo. */
  readonly id: string;
  readonly publicKey: KeyObject;
}

/** A public key with its name. */
export function trustedKey(publicKey: KeyObject): TrustedKey {
  const der = publicKey.export({ format: "der", type: "spki" });
  return { id: `sha256:${createHash("sha256").update(der).digest("hex")}`, publicKey };
}

/** @throws KelpieError `malformed`. */
export function parseEnvelope(bytes: Uint8Array, where: string): Envelope {
  return parseJsonAs(schema, bytes, "A signature's envelope is not as expected", where);
}

/** Signs `payload` by ed25519. @returns the envelope's bytes, the same for the same key and payload. */
export function signEnvelope(
  payloadType: string,
  payload: Uint8Array,
  keyId: string,
  privateKey: KeyObject,
): Uint8Array {
  const envelope: Envelope = {
    payloadType,
    payload: Buffer.from(payload).toString("base64"),
    signatures: [
      {
        keyid: keyId,
        sig: sign(undefined, preAuthenticated(payloadType, payload), privateKey).toString("base64"),
      },
    ],
  };
  return new TextEncoder().encode(`${JSON.stringify(envelope)}\n`);
}

/**
 * Whose signature of the envelope verifies, of the keys that are trusted. The key id in the envelope is a hint that is not
 * believed: the signature decides.
 */
export function verifiedKeys(envelope: Envelope, keys: readonly TrustedKey[]): readonly TrustedKey[] {
  const signed = preAuthenticated(envelope.payloadType, Buffer.from(envelope.payload, "base64"));
  return keys.filter(({ publicKey }) =>
    envelope.signatures.some(({ sig }) => {
      const signature = Buffer.from(sig, "base64");
      return signature.length === 64 && verify(undefined, signed, publicKey, signature);
    }),
  );
}

/** @throws KelpieError `malformed` for anything else than an ed25519 public key. */
export function parsePublicKey(text: string, where: string): KeyObject {
  try {
    return checkKeyType(createPublicKey(text), where);
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    throw new KelpieError("malformed", "This is not a public key", { expected: "PEM", where, cause });
  }
}

/** @throws KelpieError `malformed` for another key than one of ed25519, whichever half. */
export function checkKeyType(key: KeyObject, where: string): KeyObject {
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new KelpieError("malformed", "A key has another type than Kelpie's", {
    expected: "ed25519",
    found: key.asymmetricKeyType ?? "unknown",
    where,
  });
}

/** PAE of the DSSE specification: lengths in front, so that no two pairs have the same bytes. */
function preAuthenticated(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType);
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}
