// Signatures over a Release file, inline (InRelease) or detached (Release.gpg), by the archive keys that are trusted.

import { KelpieError } from "@kelpie/platform";
import * as openpgp from "openpgp";

/** The keys whose signature is enough. */
export interface TrustedKeys {
  readonly keys: readonly openpgp.Key[];
  /** For messages: where the keys come from. */
  readonly where: string;
}

const maxKeys = 1000;
const armorBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const armorEnd = "-----END PGP PUBLIC KEY BLOCK-----";

/**
 * Reads keyrings, binary or armored, several armored blocks in one file included.
 *
 * @throws KelpieError `malformed` if one cannot be read, `invalid-input` if there is no key in all of them.
 */
export async function readTrustedKeys(keyrings: readonly Uint8Array[], where: string): Promise<TrustedKeys> {
  const keys: openpgp.Key[] = [];
  try {
    for (const bytes of keyrings) {
      const blocks = armoredBlocks(new TextDecoder().decode(bytes));
      if (blocks.length === 0) keys.push(...(await openpgp.readKeys({ binaryKeys: bytes })));
      for (const armoredKeys of blocks) keys.push(...(await openpgp.readKeys({ armoredKeys })));
    }
  } catch (cause) {
    throw new KelpieError("malformed", "Cannot read a keyring", {
      expected: "OpenPGP public keys, binary or armored",
      where,
      cause,
    });
  }
  if (keys.length > 0 && keys.length <= maxKeys) return { keys, where };
  throw new KelpieError("invalid-input", "A keyring must hold keys", {
    expected: `1 to ${maxKeys}`,
    found: String(keys.length),
    where,
  });
}

/**
 * The text that an InRelease file signs: only that, never what stands around it.
 *
 * @throws KelpieError `malformed`, `signature-invalid` for a trusted key's wrong signature, `untrusted-key` if no
 * signature is by a trusted key.
 */
export async function verifyInline(
  bytes: Uint8Array,
  trusted: TrustedKeys,
  now: Date,
  where: string,
): Promise<string> {
  const message = await read(where, () =>
    openpgp.readCleartextMessage({ cleartextMessage: new TextDecoder().decode(bytes) }),
  );
  await demandTrusted(
    await openpgp.verify({ message, verificationKeys: [...trusted.keys], date: now }),
    trusted,
    where,
  );
  return message.getText();
}

/** As {@link verifyInline}, of a Release file and its Release.gpg, binary or armored. */
export async function verifyDetached(
  release: Uint8Array,
  signature: Uint8Array,
  trusted: TrustedKeys,
  now: Date,
  where: string,
): Promise<string> {
  const text = new TextDecoder().decode(signature);
  const parsed = await read(where, () =>
    text.includes("-----BEGIN PGP SIGNATURE-----")
      ? openpgp.readSignature({ armoredSignature: text })
      : openpgp.readSignature({ binarySignature: signature }),
  );
  const message = await openpgp.createMessage({ binary: release });
  const verified = await openpgp.verify({
    message,
    signature: parsed,
    verificationKeys: [...trusted.keys],
    date: now,
  });
  await demandTrusted(verified, trusted, where);
  return new TextDecoder().decode(release);
}

/** One valid signature by a trusted key is enough: Debian signs with the keys of several releases at once. */
async function demandTrusted(
  { signatures }: Pick<openpgp.VerifyMessageResult, "signatures">,
  trusted: TrustedKeys,
  where: string,
): Promise<void> {
  const failures: { readonly keyId: string; readonly error: unknown; readonly isTrusted: boolean }[] = [];
  for (const { keyID, verified } of signatures) {
    try {
      await verified;
      return;
    } catch (error) {
      const isTrusted = trusted.keys.some((key) => key.getKeys(keyID).length > 0);
      failures.push({ keyId: keyID.toHex().toUpperCase(), error, isTrusted });
    }
  }
  const invalid = failures.find(({ isTrusted }) => isTrusted);
  if (invalid !== undefined) {
    throw new KelpieError("signature-invalid", "A release's signature does not verify", {
      found: `the signature by ${invalid.keyId}: ${invalid.error instanceof Error ? invalid.error.message : "no reason"}`,
      where,
      cause: invalid.error,
    });
  }
  throw new KelpieError("untrusted-key", "A release is not signed by a trusted key", {
    expected: `a signature by one of ${trusted.keys.map((key) => key.getKeyID().toHex().toUpperCase()).join(", ")} (${trusted.where})`,
    found:
      failures.length === 0
        ? "no signature"
        : `signatures by ${failures.map(({ keyId }) => keyId).join(", ")}`,
    where,
  });
}

function armoredBlocks(text: string): string[] {
  const blocks: string[] = [];
  for (let at = text.indexOf(armorBegin); at >= 0; at = text.indexOf(armorBegin, at + 1)) {
    const end = text.indexOf(armorEnd, at);
    if (end >= 0) blocks.push(text.slice(at, end + armorEnd.length));
  }
  return blocks;
}

async function read<T>(where: string, parse: () => Promise<T>): Promise<T> {
  try {
    return await parse();
  } catch (cause) {
    throw new KelpieError("malformed", "Cannot read a signed release", {
      expected: "an OpenPGP signature",
      found: cause instanceof Error ? cause.message : String(cause),
      where,
      cause,
    });
  }
}
