// Signed images on the move: pushed, found and let in, or refused by the rule that says so.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Architecture, KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { ImageStore, type StoredImage } from "../store/image-store.ts";
import type { TrustVerdict } from "../trust/check-trust.ts";
import { Keyring } from "../trust/keys.ts";
import { parseImageVersion } from "../version/image-version.ts";
import { pullImage } from "./artifact/pull-image.ts";
import { pushImages } from "./artifact/push-image.ts";
import { signatureArtifactType, type Signer } from "./artifact/signatures.ts";
import { parseReference } from "./oci/reference.ts";
import { RegistryClient } from "./oci/registry-client.ts";
import { exportImage } from "./release/export-image.ts";
import { importImage } from "./release/import-image.ts";
import { downloadImage } from "./source/download-image.ts";
import { parseSource } from "./source/source.ts";
import { startFakeRegistry } from "./testing/fake-registry.ts";
import { addImage, testVersion } from "./testing/images.ts";
import { startRegistry, unlessInstalled } from "./testing/registry.ts";

const platform = realPlatform;
const architecture: Architecture = "amd64";

interface World extends AsyncDisposable {
  readonly directory: string;
  /** Of who fetches: has the public key "release", and the policy that a test writes. */
  readonly home: string;
  readonly image: StoredImage;
  readonly signer: Signer;
  readonly stranger: Signer;
  policy(...rules: readonly string[]): void;
  readonly verdicts: TrustVerdict[];
  pull(reference: string): Promise<StoredImage>;
}

async function world(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-trust-"));
  const home = join(directory, "home");
  await mkdir(home);
  const publisher = new Keyring(platform, join(directory, "publisher"));
  const { pem } = await publisher.generate("release", undefined);
  await publisher.generate("stranger", undefined);
  await new Keyring(platform, home).import("release", pem, undefined);
  const image = await addImage(platform, join(directory, "from"), architecture);
  const verdicts: TrustVerdict[] = [];
  return {
    directory,
    home,
    image,
    signer: await publisher.signer("release", undefined),
    stranger: await publisher.signer("stranger", undefined),
    policy: (...rules) =>
      writeFileSync(
        join(home, "trust-policy.yaml"),
        `rules:\n${rules.map((rule) => `  - ${rule}\n`).join("")}`,
      ),
    verdicts,
    pull: async (reference) => {
      const onTrust = (verdict: TrustVerdict): unknown => verdicts.push(verdict);
      const parsed = parseReference(reference);
      return (await pullImage({ platform, home, reference: parsed, architecture, onTrust })).image;
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

function fails(code: KelpieErrorCode, ...texts: readonly string[]): (error: unknown) => boolean {
  return (error) =>
    KelpieError.is(error) && error.code === code && texts.every((text) => error.message.includes(text));
}

async function isEmpty(home: string): Promise<boolean> {
  return (await new ImageStore(platform, home).list()).images.length === 0;
}

for (const kind of ["fake registry", "docker-registry"] as const) {
  test(`through a ${kind}, a signed image is let in, and an unsigned one is refused by the rule that is named`, {
    skip: kind === "fake registry" ? false : unlessInstalled("docker-registry"),
  }, async () => {
    await using at = await world();
    await using registry = await (kind === "fake registry" ? startFakeRegistry() : startRegistry());
    const { host } = registry;
    const repository = { host, name: "repo" };
    const reference = `${host}/repo:${testVersion}`;
    await pushImages({ platform, images: [at.image], repository });

    await at.pull(reference);
    assert.deepEqual(at.verdicts, [{ kind: "no-policy" }]);
    await rm(join(at.home, "images"), { recursive: true });

    at.policy(`{ for: "${host}", required: { keys: [release] } }`);
    await assert.rejects(at.pull(reference), fails("untrusted-key", `rule 1, for ${host}`, "no signature"));
    await pushImages({ platform, images: [at.image], repository, signer: at.stranger });
    await assert.rejects(at.pull(reference), fails("untrusted-key", at.stranger.id));
    assert.ok(await isEmpty(at.home));

    // What a stranger signed too is let in by the right signature beside it.
    await pushImages({ platform, images: [at.image], repository, signer: at.signer });
    await at.pull(reference);
    const verdict = at.verdicts.at(-1);
    assert.ok(
      verdict?.kind === "signed" && verdict.by.startsWith("release (sha256:"),
      JSON.stringify(verdict),
    );
  });
}

test("a signature of one image is none of another", async () => {
  await using at = await world();
  await using registry = await startFakeRegistry();
  const repository = { host: registry.host, name: "repo" };
  await pushImages({ platform, images: [at.image], repository, signer: at.signer });
  const other = await addImage(platform, join(at.directory, "from"), architecture, {
    version: "1.2.4-20260115-a3f4d21",
  });
  await pushImages({ platform, images: [other], repository });
  // The signature of the first, put beside the second by somebody who may push.
  const referrers = [...registry.manifests.keys()].filter((name) => name.startsWith("sha256-"));
  const index = registry.manifests.get(referrers[0] ?? "");
  const client = new RegistryClient(platform, repository, "pull");
  const found = await client.fetchManifest({ kind: "tag", tag: "1.2.4-20260115-a3f4d21" });
  const [{ digest }] = (
    JSON.parse(new TextDecoder().decode(found?.bytes)) as { manifests: [{ digest: string }] }
  ).manifests;
  assert.ok(index !== undefined);
  registry.manifests.set(digest.replace(":", "-"), index);
  at.policy(`{ for: "*", required: { keys: [release] } }`);
  await assert.rejects(
    at.pull(`${registry.host}/repo:1.2.4-20260115-a3f4d21`),
    fails("untrusted-key", "of something else"),
  );
});

test("without a rule for it nothing is let in, and a rule that allows it is named", async () => {
  await using at = await world();
  await using registry = await startFakeRegistry();
  const reference = `${registry.host}/repo:${testVersion}`;
  await pushImages({ platform, images: [at.image], repository: { host: registry.host, name: "repo" } });
  at.policy("{ for: ghcr.io/your-org, required: { keys: [release] } }");
  await assert.rejects(at.pull(reference), fails("untrusted-key", "No rule"));
  at.policy(`{ for: "${registry.host}/repo", allow-unsigned: true }`);
  await at.pull(reference);
  assert.deepEqual(at.verdicts, [{ kind: "unsigned-allowed", rule: `rule 1, for ${registry.host}/repo` }]);
  at.policy(`{ for: "*", required: { keys: [nobody] } }`);
  await assert.rejects(at.pull(reference), fails("untrusted-key", "nobody, which cannot be used"));
  at.policy(`{ for: "*", requird: true }`);
  await assert.rejects(at.pull(reference), fails("invalid-input", "trust-policy.yaml:2"));
});

test("signatures are listed by the registry itself where it knows referrers, and signing twice adds nothing", async () => {
  await using at = await world();
  await using registry = await startFakeRegistry({ listsReferrers: true });
  const repository = { host: registry.host, name: "repo" };
  for (let round = 0; round < 2; round++)
    await pushImages({ platform, images: [at.image], repository, signer: at.signer });
  assert.deepEqual(
    [...registry.manifests.keys()].filter((name) => name.startsWith("sha256-")),
    [],
  );
  const client = new RegistryClient(platform, repository, "pull");
  const index = await client.fetchManifest({ kind: "tag", tag: testVersion });
  const [{ digest }] = (
    JSON.parse(new TextDecoder().decode(index?.bytes)) as { manifests: [{ digest: `sha256:${string}` }] }
  ).manifests;
  const types = (await client.referrers(digest)).map(({ artifactType }) => artifactType);
  assert.deepEqual(types, [signatureArtifactType]);
  at.policy(`{ for: "*", required: { keys: ["${at.signer.id}"] } }`);
  await at.pull(`${registry.host}/repo:${testVersion}`);
});

test("a release's archive is let in by the signed list beside it, by import and by download", async () => {
  await using at = await world();
  const dist = join(at.directory, "dist");
  await mkdir(dist);
  const { path } = await exportImage({ platform, image: at.image, output: dist, signer: at.signer });
  at.policy(`{ for: "${dist}", required: { keys: [release] } }`);
  const onTrust = (verdict: TrustVerdict): unknown => at.verdicts.push(verdict);
  await importImage({ platform, home: at.home, path, onTrust });
  await rm(join(at.home, "images"), { recursive: true });
  const version = parseImageVersion(testVersion);
  const sources = [parseSource(dist, platform.host, "/", "kelpie-base")];
  const download = { platform, home: at.home, name: "kelpie-base", version, architecture, sources, onTrust };
  await downloadImage(download);
  assert.deepEqual(
    at.verdicts.map(({ kind }) => kind),
    ["signed", "signed"],
  );
  await rm(join(at.home, "images"), { recursive: true });

  const sums = join(dist, "SHA256SUMS");
  writeFileSync(
    sums,
    readFileSync(sums, "utf8").replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
  );
  await assert.rejects(
    importImage({ platform, home: at.home, path }),
    fails("untrusted-key", "of something else"),
  );
  await assert.rejects(downloadImage(download), fails("untrusted-key", "of something else"));

  // An export without a key takes the signature away rather than leave one that is wrong.
  await exportImage({ platform, image: at.image, output: dist });
  await assert.rejects(
    importImage({ platform, home: at.home, path }),
    fails("untrusted-key", "no signature"),
  );

  // An archive that the signed list does not have.
  await exportImage({ platform, image: at.image, output: dist, signer: at.signer });
  cpSync(path, join(dist, "other.tar.gz"));
  const renamed = importImage({ platform, home: at.home, path: join(dist, "other.tar.gz") });
  await assert.rejects(renamed, fails("untrusted-key", "does not have this archive"));
  assert.ok(await isEmpty(at.home));
});
