// Sigstore bundles, verified offline: the certificate's chain, the signature, and the log that both are in, all against a
// trusted root that stands on this disk.

import { describeError, type Files, KelpieError } from "@kelpie/platform";
import type { Identity } from "./policy.ts";
import { isAbout, statementPayloadType } from "./statement.ts";

export const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** Largest bundle that is read. */
export const maxBundleBytes = 4 << 20;
const maxTrustedRootBytes = 4 << 20;

/** What is signed, and by which bundle. */
export interface BundledContent {
  readonly bundle: Uint8Array;
  /** The bytes that are signed, or that a signed statement is about. */
  readonly content: Uint8Array;
  /** Of the content, in hexadecimal. */
  readonly sha256: string;
  readonly where: string;
}

/** Reads sigstore's trusted_root.json. @throws KelpieError `not-found`, `malformed`. */
export async function readTrustedRoot(files: Pick<Files, "readFile">, path: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await files.readFile(path, maxTrustedRootBytes)));
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    throw new KelpieError("malformed", "Sigstore's trusted root is not JSON", { where: path, cause });
  }
}

/**
 * Who signed the content: verified, and for the policy to judge.
 *
 * @throws KelpieError `signature-invalid` where anything about the bundle does not verify.
 */
export async function verifyBundle(
  { bundle: bytes, content, sha256, where }: BundledContent,
  trustedRoot: unknown,
): Promise<Identity> {
  // Few need them: they are loaded when a bundle is there.
  const library = await import("./sigstore-library.ts");
  const { bundleFromJSON, isBundleWithDsseEnvelope, TrustedRoot, toSignedEntity, toTrustMaterial, Verifier } =
    library;
  const invalid = (found: string, cause?: unknown): KelpieError =>
    new KelpieError("signature-invalid", "A sigstore bundle does not verify", { found, where, cause });
  try {
    const bundle = bundleFromJSON(JSON.parse(new TextDecoder().decode(bytes)));
    const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(trustedRoot)));
    const { identity } = verifier.verify(toSignedEntity(bundle, Buffer.from(content)));
    if (isBundleWithDsseEnvelope(bundle)) {
      const { payload, payloadType } = bundle.content.dsseEnvelope;
      if (payloadType !== statementPayloadType || !isAbout(payload, sha256, where))
        throw invalid("a statement about something else");
    }
    const subject = identity?.subjectAlternativeName;
    const issuer = identity?.extensions?.issuer;
    if (subject === undefined || issuer === undefined) throw invalid("a certificate that names nobody");
    return { subject, issuer };
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    throw invalid(describeError(cause), cause);
  }
}
