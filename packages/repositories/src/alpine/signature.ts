// Signatures of indexes and packages: RSA (PKCS #1 v1.5) over the compressed bytes that follow, in entries named
// .SIGN.<algorithm>.<key file> of the first gzip member.

import { createPublicKey, createVerify, type KeyObject, type Verify } from "node:crypto";
import { collect, readTar } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";

/** Public keys by the name of their file, as a signature names its key: "alpine-devel@…-6165ee59.rsa.pub". */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

/** A signature as it is found, not yet verified. */
export interface StatedSignature {
  readonly keyName: string;
  readonly algorithm: "RSA-SHA1" | "RSA-SHA256" | "RSA-SHA512";
  readonly bytes: Uint8Array;
}

const algorithms: ReadonlyMap<string, StatedSignature["algorithm"]> = new Map([
  ["RSA", "RSA-SHA1"],
  ["RSA256", "RSA-SHA256"],
  ["RSA512", "RSA-SHA512"],
]);
const maxSignatures = 32;
const maxSignatureBytes = 4096;
const minModulusBits = 2048;

/** Reads public keys from their PEM text. @throws KelpieError `invalid-input` for what is no RSA key of 2048 bits or more. */
export function readTrustedKeys(pems: ReadonlyMap<string, string>): TrustedKeys {
  const keys = new Map<string, KeyObject>();
  for (const [name, pem] of pems) keys.set(name, readKey(name, pem));
  return keys;
}

function readKey(name: string, pem: string): KeyObject {
  const expected = `an RSA public key of at least ${minModulusBits} bits in PEM form`;
  const refused = (found: string, cause?: unknown): KelpieError =>
    new KelpieError("invalid-input", "A trusted key cannot be used", { expected, found, where: name, cause });
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw refused("something else", cause);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa") throw refused(`a key of type ${key.asymmetricKeyType ?? "unknown"}`);
  if (bits < minModulusBits) throw refused(`${bits} bits`);
  return key;
}

/** The signatures in the first member of an index or package. @throws KelpieError `malformed`, `signature-invalid` if there are none. */
export async function readSignatures(
  content: AsyncIterable<Uint8Array>,
  where: string,
): Promise<readonly StatedSignature[]> {
  const signatures: StatedSignature[] = [];
  const limits = { maxEntries: maxSignatures, maxEntryBytes: maxSignatureBytes, maxHeaderBytes: 65_536 };
  for await (const entry of readTar(content, { limits, where })) {
    const [, kind, keyName] = /^\.SIGN\.([A-Z0-9]+)\.([^/]+)$/.exec(entry.path) ?? [];
    if (kind === undefined || keyName === undefined || entry.kind !== "file") {
      throw new KelpieError("signature-invalid", "An archive does not begin with its signatures", {
        expected: "an entry .SIGN.RSA.<key> in a gzip member of its own",
        found: JSON.stringify(entry.path),
        where,
      });
    }
    const algorithm = algorithms.get(kind);
    const bytes = await collect(entry.content, maxSignatureBytes, "A signature");
    // A kind of signature that is not known says nothing: one that is known must be there too.
    if (algorithm !== undefined) signatures.push({ keyName, algorithm, bytes });
  }
  return signatures;
}

/** Verifies signatures over bytes that come piece by piece. */
export class SignatureCheck {
  readonly #stated: readonly StatedSignature[];
  readonly #trusted: readonly { stated: StatedSignature; key: KeyObject; verify: Verify }[];

  constructor(stated: readonly StatedSignature[], keys: TrustedKeys) {
    this.#stated = stated;
    this.#trusted = stated.flatMap((signature) => {
      const key = keys.get(signature.keyName);
      return key === undefined ? [] : [{ stated: signature, key, verify: createVerify(signature.algorithm) }];
    });
  }

  update(bytes: Uint8Array): void {
    for (const { verify } of this.#trusted) verify.update(bytes);
  }

  /**
   * Returns the name of a trusted key by which a signature verifies; one is enough.
   *
   * @throws KelpieError `untrusted-key` if all signatures are by other keys, `signature-invalid` if none verifies.
   */
  finish(where: string): string {
    for (const { stated, key, verify } of this.#trusted) {
      if (verify.verify(key, stated.bytes)) return stated.keyName;
    }
    const names = this.#stated.map(({ keyName }) => keyName).join(", ");
    if (this.#trusted.length > 0) {
      throw new KelpieError("signature-invalid", "A signature does not verify", {
        expected: `a signature by ${names} over this content`,
        found: "a signature over other content",
        where,
      });
    }
    if (this.#stated.length === 0) {
      throw new KelpieError("signature-invalid", "An archive has no signature that can be verified", {
        where,
      });
    }
    throw new KelpieError("untrusted-key", "An archive is signed by a key that is not trusted", {
      expected: "a key of the spec's keys",
      found: names,
      where,
      help: "Add the key to the spec's keys if you trust it.",
    });
  }
}
