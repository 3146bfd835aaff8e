// Sigstore bundles of a certificate authority, a certificate log and a transparency log that this test keeps itself.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { checkTrust, type TrustVerdict } from "./check-trust.ts";
import { issuer, makeSigstore, type Sigstore, subject } from "./testing/sigstore-mock.ts";

const content = Buffer.from("the manifest of an image");
const sha256 = createHash("sha256").update(content).digest("hex");
let world: Sigstore;
before(async () => {
  world = await makeSigstore();
});

async function judge(
  bundle: unknown,
  options: { readonly root?: unknown; readonly wanted?: string; readonly bytes?: Buffer } = {},
): Promise<TrustVerdict> {
  await using home = await realPlatform.files.temporaryDirectory("kelpie-sigstore-");
  mkdirSync(home.path, { recursive: true });
  writeFileSync(join(home.path, "root.json"), JSON.stringify(options.root ?? world.trustedRoot));
  const identity = `{ issuer: "${issuer}", subject: "${options.wanted ?? subject.replace("v1", "*")}" }`;
  const rules = `rules: [{ for: ghcr.io/o, required: { identities: [${identity}] } }]`;
  writeFileSync(join(home.path, "trust-policy.yaml"), `trusted-root: root.json\n${rules}\n`);
  return await checkTrust({
    platform: realPlatform,
    home: home.path,
    place: "ghcr.io/o/image",
    content: options.bytes ?? content,
    signatures: () =>
      Promise.resolve([{ kind: "bundle", bytes: Buffer.from(JSON.stringify(bundle)), where: "the bundle" }]),
  });
}

function refuses(text: string, code: KelpieErrorCode = "untrusted-key"): (error: unknown) => boolean {
  return (error) => KelpieError.is(error) && error.code === code && error.message.includes(text);
}

test("a bundle by the identity that the policy names is let in, offline", async () => {
  const verdict = await judge(await world.bundle(sha256));
  assert.deepEqual(verdict, { kind: "signed", rule: "rule 1, for ghcr.io/o", by: `${subject} (${issuer})` });
});

test("a bundle by somebody else is refused, and says by whom it is", async () => {
  const bundle = await world.bundle(sha256);
  await assert.rejects(judge(bundle, { wanted: subject.replace("/o/r/", "/o/other/") }), refuses(subject));
});

test("a bundle about something else is refused", async () => {
  await assert.rejects(judge(await world.bundle("a".repeat(64))), refuses("about something else"));
  await assert.rejects(
    judge(await world.bundle(sha256), { bytes: Buffer.from("other") }),
    refuses("something else"),
  );
});

test("a bundle of another authority or another log is refused", async () => {
  const other = await makeSigstore();
  await assert.rejects(judge(await other.bundle(sha256)), refuses("does not verify"));
  const bundle = await world.bundle(sha256);
  const root = { ...(world.trustedRoot as object), tlogs: (other.trustedRoot as { tlogs: unknown }).tlogs };
  await assert.rejects(judge(bundle, { root }), refuses("does not verify"));
});

test("a bundle that is in no log, or whose parts were changed, is refused", async () => {
  const bundle = await world.bundle(sha256);
  const material = bundle["verificationMaterial"] as { tlogEntries: object[] };
  const noLog = { ...bundle, verificationMaterial: { ...material, tlogEntries: [] } };
  await assert.rejects(judge(noLog), refuses("does not verify"));
  const entry = { ...material.tlogEntries[0], integratedTime: "1" };
  const moved = { ...bundle, verificationMaterial: { ...material, tlogEntries: [entry] } };
  await assert.rejects(judge(moved), refuses("does not verify"));
  const envelope = bundle["dsseEnvelope"] as { signatures: { sig: string }[] };
  const sig = Buffer.from("not a signature").toString("base64");
  const forged = { ...bundle, dsseEnvelope: { ...envelope, signatures: [{ sig }] } };
  await assert.rejects(judge(forged), refuses("does not verify"));
  await assert.rejects(judge({}), refuses("does not verify"));
});
