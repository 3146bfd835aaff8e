// Envelopes: signed here, judged by openssl, and never believed when anything in them changes.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import fc from "fast-check";
import { parseEnvelope, parsePublicKey, signEnvelope, trustedKey, verifiedKeys } from "./dsse.ts";
import { statementBytes, statementPayloadType, vouchesFor } from "./statement.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = trustedKey(publicKey);
const other = trustedKey(generateKeyPairSync("ed25519").publicKey);
const sha256 = "a".repeat(64);
const payload = statementBytes({ name: "an image", sha256 });
const signed = signEnvelope(statementPayloadType, payload, key.id, privateKey);

test("an envelope verifies by its key alone", () => {
  const envelope = parseEnvelope(signed, "here");
  assert.deepEqual(verifiedKeys(envelope, [other, key]), [key]);
  assert.deepEqual(verifiedKeys(envelope, [other]), []);
  assert.deepEqual(
    verifiedKeys(parseEnvelope(signEnvelope("x", payload, key.id, privateKey), "here"), [key]),
    [key],
  );
});

test("the key id in an envelope is not believed", () => {
  const lie = signEnvelope(statementPayloadType, payload, other.id, privateKey);
  assert.deepEqual(verifiedKeys(parseEnvelope(lie, "here"), [other, key]), [key]);
});

test("openssl verifies what is signed, over the bytes that the specification names", async (context) => {
  if (spawnSync("openssl", ["version"]).error !== undefined) {
    context.skip("openssl not installed");
    return;
  }
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-dsse-");
  const at = (name: string): string => join(directory.path, name);
  const envelope = parseEnvelope(signed, "here");
  const body = Buffer.from(envelope.payload, "base64").toString();
  const { payloadType: type } = envelope;
  writeFileSync(at("signed"), `DSSEv1 ${type.length} ${type} ${Buffer.byteLength(body)} ${body}`);
  writeFileSync(at("signature"), Buffer.from(envelope.signatures[0]?.sig ?? "", "base64"));
  writeFileSync(at("key"), publicKey.export({ format: "pem", type: "spki" }));
  const how = ["pkeyutl", "-verify", "-pubin", "-inkey", at("key"), "-rawin", "-in", at("signed")];
  const said = execFileSync("openssl", [...how, "-sigfile", at("signature")], { encoding: "utf8" });
  assert.match(said, /Verified Successfully/);
});

test("whatever byte of an envelope changes, it says the same or nothing", () => {
  fc.assert(
    fc.property(fc.nat(signed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(signed);
      changed[at] = (changed[at] ?? 0) ^ flip;
      try {
        const envelope = parseEnvelope(changed, "here");
        if (verifiedKeys(envelope, [key]).length === 0) return;
        assert.equal(envelope.payloadType, statementPayloadType);
        assert.deepEqual(new Uint8Array(Buffer.from(envelope.payload, "base64")), payload);
      } catch (error) {
        assert.ok(KelpieError.is(error) && error.code === "malformed", String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test("a statement vouches for its subject and no other, and provenance vouches for nothing", () => {
  assert.ok(vouchesFor(payload, sha256, "here"));
  assert.ok(!vouchesFor(payload, "b".repeat(64), "here"));
  const provenance = new TextDecoder()
    .decode(payload)
    .replace("kelpie.dev/signature/v1", "slsa.dev/provenance/v1");
  assert.ok(!vouchesFor(new TextEncoder().encode(provenance), sha256, "here"));
});

test("a key of another kind, and what is no key, are refused", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({
    format: "pem",
    type: "spki",
  });
  for (const text of [rsa.toString(), "key", ""])
    assert.throws(
      () => parsePublicKey(text, "here"),
      (error) => KelpieError.is(error) && error.code === "malformed",
    );
});
