// Keys, policies and signatures from strangers: read, or refused with a KelpieError, and none verifies that nobody made.

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { realPlatform } from "@kelpie/platform";
import { testFuzzTargets, text } from "../testing/fuzz-targets.ts";
import { parseEnvelope, parsePublicKey, signEnvelope, trustedKey, verifiedKeys } from "./dsse.ts";
import { Keyring } from "./keys.ts";
import { matchesIdentity, parseTrustPolicy, ruleFor } from "./policy.ts";
import { readTrustedRoot, verifyBundle } from "./sigstore.ts";
import { isAbout, statementBytes, statementPayloadType, vouchesFor } from "./statement.ts";
import { issuer, makeSigstore, subject } from "./testing/sigstore-mock.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = trustedKey(publicKey);
const publicPem = publicKey.export({ format: "pem", type: "spki" });
const pkcs8 = { format: "pem", type: "pkcs8" } as const;
const privatePem = privateKey.export(pkcs8);
const lockedPem = privateKey.export({ ...pkcs8, cipher: "aes-256-cbc", passphrase: "x" });

const content = Buffer.from("the manifest of an image");
const sha256 = createHash("sha256").update(content).digest("hex");
const statement = statementBytes({ name: "image", sha256 });
const envelope = signEnvelope(statementPayloadType, statement, key.id, privateKey);
const policy = `trusted-root: root.json
rules:
  - for: ghcr.io/o
    required: { keys: [ci], identities: [{ issuer: "${issuer}", subject: "https://github.com/o/*" }] }
  - for: "*"
    allow-unsigned: true
`;
const sigstore = await makeSigstore();
const bundle = JSON.stringify(await sigstore.bundle(sha256));

const read = (input: Uint8Array): Pick<typeof realPlatform, "files"> => ({
  files: { ...realPlatform.files, readFile: () => Promise.resolve(input) },
});

testFuzzTargets([
  ["public key", [publicPem, privatePem], (input) => trustedKey(parsePublicKey(text(input), "x"))],
  [
    "key for the keyring",
    [privatePem, publicPem, lockedPem],
    async (input) => {
      await using home = await realPlatform.files.temporaryDirectory("kelpie-fuzz-");
      const keys = new Keyring(realPlatform, home.path);
      const imported = await keys.import("k", text(input), undefined);
      assert.equal((await keys.get("k")).id, imported.id);
      if (imported.hasPrivateKey) await keys.signer("k", undefined);
    },
  ],
  [
    "trust policy",
    [policy],
    (input) => {
      const rule = ruleFor(parseTrustPolicy(text(input), "x", "/home"), "ghcr.io/o/image");
      if (rule?.demand.kind !== "signed") return;
      for (const identity of rule.demand.identities) matchesIdentity(identity, { issuer, subject });
    },
  ],
  [
    "DSSE envelope",
    [envelope],
    (input) => {
      const parsed = parseEnvelope(input, "x");
      if (verifiedKeys(parsed, [key]).length === 0) return;
      assert.equal(parsed.payloadType, statementPayloadType);
      assert.deepEqual(new Uint8Array(Buffer.from(parsed.payload, "base64")), statement);
    },
  ],
  [
    "signed statement",
    [statement],
    (input) => {
      if (vouchesFor(input, sha256, "x")) assert.ok(isAbout(input, sha256, "x"));
    },
  ],
  [
    "sigstore bundle",
    [bundle],
    async (input) => {
      const found = await verifyBundle({ bundle: input, content, sha256, where: "x" }, sigstore.trustedRoot);
      assert.deepEqual(found, { issuer, subject });
    },
  ],
  [
    "sigstore trusted root",
    [JSON.stringify(sigstore.trustedRoot)],
    async (input) => {
      const trustedRoot = await readTrustedRoot(read(input).files, "x");
      await verifyBundle({ bundle: Buffer.from(bundle), content, sha256, where: "x" }, trustedRoot);
    },
  ],
]);
