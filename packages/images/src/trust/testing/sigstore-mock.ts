// A certificate authority, a certificate log and a transparency log of sigstore's that a test keeps itself, and bundles of theirs.

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { bundleToJSON, toDSSEBundle } from "@sigstore/bundle";
import { initializeCA, initializeCTLog, initializeTLog } from "@sigstore/mock";
import { statementBytes } from "../statement.ts";

/** Who signs all bundles. */
export const issuer = "https://token.actions.githubusercontent.com";
export const subject = "https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1";
const issuerExtension = "1.3.6.1.4.1.57264.1.8";

export interface Sigstore {
  readonly trustedRoot: unknown;
  /** The bundle of a statement about `digest`. */
  bundle(digest: string): Promise<Record<string, unknown>>;
}

/** What the mock's log answers, which its types do not say. */
interface LogEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly treeSize: number;
      readonly rootHash: string;
      readonly checkpoint: string;
    };
  };
}

function pair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** Each has keys of its own. */
export async function makeSigstore(): Promise<Sigstore> {
  const validFor = { start: new Date(Date.now() - 3_600_000).toISOString() };
  const ctLog = await initializeCTLog(pair());
  const ca = await initializeCA(generateKeyPairSync("ec", { namedCurve: "P-384" }), ctLog);
  const logKeys = pair();
  const log = await initializeTLog("https://rekor.example.com", logKeys);
  const logKey = logKeys.publicKey.export({ format: "der", type: "spki" });
  const base64 = (bytes: ArrayBufferView): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  const entry = (key: Buffer, id: string): Record<string, unknown> => ({
    baseUrl: "https://rekor.example.com",
    hashAlgorithm: "SHA2_256",
    publicKey: { rawBytes: key.toString("base64"), keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor },
    logId: { keyId: id },
  });
  return {
    trustedRoot: {
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      certificateAuthorities: [
        {
          subject: { organization: "sigstore.mock", commonName: "sigstore" },
          uri: "https://fulcio.example.com",
          certChain: { certificates: [{ rawBytes: base64(ca.rootCertificate) }] },
          validFor,
        },
      ],
      tlogs: [entry(logKey, createHash("sha256").update(logKey).digest("base64"))],
      ctlogs: [entry(ctLog.publicKey, base64(ctLog.logID))],
      timestampAuthorities: [],
    },
    bundle: async (digest) => {
      const signer = pair();
      const certificate = await ca.issueCertificate({
        publicKey: signer.publicKey.export({ format: "der", type: "spki" }),
        subjectAltName: subject,
        extensions: [{ oid: issuerExtension, value: issuer }],
      });
      const artifact = Buffer.from(statementBytes({ name: "image", sha256: digest }));
      const artifactType = "application/vnd.in-toto+json";
      const signed = `DSSEv1 ${artifactType.length} ${artifactType} ${artifact.length} ${artifact.toString()}`;
      const signature = sign("sha256", Buffer.from(signed), signer.privateKey);
      const der = Buffer.from(certificate.buffer, certificate.byteOffset, certificate.byteLength);
      const bundle = bundleToJSON(toDSSEBundle({ artifact, artifactType, signature, certificate: der }));
      const pem = `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
      const hash = (bytes: Uint8Array): Record<string, string> => ({
        algorithm: "sha256",
        value: createHash("sha256").update(bytes).digest("hex"),
      });
      const envelope = JSON.stringify("dsseEnvelope" in bundle ? bundle.dsseEnvelope : undefined);
      const proposed = JSON.stringify({
        apiVersion: "0.0.1",
        kind: "dsse",
        spec: {
          envelopeHash: hash(Buffer.from(envelope)),
          payloadHash: hash(artifact),
          signatures: [
            { signature: signature.toString("base64"), verifier: Buffer.from(pem).toString("base64") },
          ],
        },
      });
      const logged: unknown = await log.log(JSON.parse(proposed) as Parameters<typeof log.log>[0]);
      const [found] = Object.values(JSON.parse(JSON.stringify(logged)) as Record<string, LogEntry>);
      assert.ok(found !== undefined);
      const { inclusionProof, signedEntryTimestamp } = found.verification;
      return {
        ...bundle,
        verificationMaterial: {
          certificate: { rawBytes: der.toString("base64") },
          tlogEntries: [
            {
              logIndex: `${found.logIndex}`,
              logId: { keyId: Buffer.from(found.logID, "hex").toString("base64") },
              kindVersion: { kind: "dsse", version: "0.0.1" },
              integratedTime: `${found.integratedTime}`,
              inclusionPromise: { signedEntryTimestamp },
              inclusionProof: {
                logIndex: `${inclusionProof.logIndex}`,
                treeSize: `${inclusionProof.treeSize}`,
                rootHash: Buffer.from(inclusionProof.rootHash, "hex").toString("base64"),
                hashes: [],
                checkpoint: { envelope: inclusionProof.checkpoint },
              },
              canonicalizedBody: found.body,
            },
          ],
        },
      };
    },
  };
}
