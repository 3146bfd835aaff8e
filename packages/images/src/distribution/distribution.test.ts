// Images through a real registry, judged by skopeo.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { imageFile, ImageStore, type StoredImage } from "../store/image-store.ts";
import { type PulledImage, pullImage } from "./artifact/pull-image.ts";
import { type PushedImages, pushImages } from "./artifact/push-image.ts";
import { parseIndex, parseManifest } from "./oci/manifest.ts";
import { parseReference } from "./oci/reference.ts";
import { RegistryClient } from "./oci/registry-client.ts";
import { addImage, noise, rootfs, testVersion } from "./testing/images.ts";
import { startRegistry, startTokenService, unlessInstalled } from "./testing/registry.ts";

const skipWithoutRegistry = unlessInstalled("docker-registry");
const skipWithoutSkopeo = unlessInstalled("docker-registry", "skopeo");
const quick = { retry: { attempts: 2, firstDelayMs: 1, maxDelayMs: 5 } };

interface Homes extends AsyncDisposable {
  readonly from: string;
  readonly to: string;
  readonly directory: string;
}

async function homes(): Promise<Homes> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-distribution-"));
  return {
    directory,
    from: join(directory, "from"),
    to: join(directory, "to"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

function push(
  host: string,
  images: readonly StoredImage[],
  name = "org/kelpie-base",
  platform: Platform = realPlatform,
): Promise<PushedImages> {
  return pushImages({ platform, images, repository: { host, name }, transfer: quick });
}

function pull(
  home: string,
  reference: string,
  architecture: "amd64" | "arm64" = "amd64",
  platform: Platform = realPlatform,
): Promise<PulledImage> {
  return pullImage({ platform, home, reference: parseReference(reference), architecture, transfer: quick });
}

async function assertSame(a: StoredImage, b: StoredImage): Promise<void> {
  const names = await readdir(b.directory);
  assert.deepEqual(await readdir(a.directory), names);
  for (const file of names) {
    const [left, right] = await Promise.all([
      readFile(join(a.directory, file)),
      readFile(join(b.directory, file)),
    ]);
    assert.ok(left.equals(right), file);
  }
}

/** A platform whose user has these variables and no logins. */
function withEnvironment(home: string, environment: Record<string, string>): Platform {
  return { ...realPlatform, host: { ...realPlatform.host, homeDirectory: home, environment } };
}

test("a pushed image comes back bit for bit, with holes where it has zeros", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  const pushed = await push(registry.host, [image]);
  assert.equal(pushed.reference, `${registry.host}/org/kelpie-base:${testVersion}`);
  const pulled = await pull(at.to, pushed.reference);
  assert.equal(pulled.wasThere, false);
  await assertSame(image, pulled.image);
  const { size, blocks } = await stat(imageFile(pulled.image, "rootfs.ext4"));
  assert.ok(blocks * 512 < size / 2, `${blocks * 512} of ${size} bytes are on the disk`);
  assert.deepEqual(await readdir(join(at.to, "cache/pulls")), []);
});

test("what the registry has is not sent again, and what the store has is not fetched again", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  const first = await push(registry.host, [image]);
  const second = await push(registry.host, [image]);
  assert.ok(first.networkBytes > 3 << 20);
  assert.equal(second.networkBytes, 0);
  assert.equal(second.digest, first.digest);
  await pull(at.to, first.reference);
  const again = await pull(at.to, first.reference);
  assert.deepEqual([again.wasThere, again.networkBytes], [true, 0]);
});

test("pushing one architecture keeps the other, in whatever order they come", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const [amd64, arm64] = [
    await addImage(realPlatform, at.from, "amd64"),
    await addImage(realPlatform, at.from, "arm64"),
  ];
  await push(registry.host, [arm64], "one");
  const last = await push(registry.host, [amd64], "one");
  const both = await push(registry.host, [amd64, arm64], "both");
  assert.equal(last.digest, both.digest);
  for (const [architecture, image] of [
    ["amd64", amd64],
    ["arm64", arm64],
  ] as const)
    await assertSame(image, (await pull(at.to, last.reference, architecture)).image);
});

test("another version of an image transfers little more than what changed", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const content = rootfs("delta", 12 << 20);
  // Everything behind the new content has moved.
  const moved = new Uint8Array(content.length + 8192);
  moved.set(content.subarray(0, 4 << 20), 0);
  moved.set(noise("new", 8192), 4 << 20);
  moved.set(content.subarray(4 << 20), (4 << 20) + 8192);
  const versions = ["1.0.0-20260115-a3f4d21", "1.0.1-20260116-b3f4d21"] as const;
  const old = await addImage(realPlatform, at.from, "amd64", {
    version: versions[0],
    files: { "rootfs.ext4": content },
  });
  const next = await addImage(realPlatform, at.from, "amd64", {
    version: versions[1],
    files: { "rootfs.ext4": moved },
  });
  const whole = await push(registry.host, [old]);
  const delta = await push(registry.host, [next]);
  await pull(at.to, whole.reference);
  const pulled = await pull(at.to, delta.reference);
  await assertSame(next, pulled.image);
  assert.ok(
    delta.networkBytes < whole.networkBytes * 0.2,
    `pushed ${delta.networkBytes} of ${whole.networkBytes}`,
  );
  assert.ok(
    pulled.networkBytes < whole.networkBytes * 0.2,
    `pulled ${pulled.networkBytes} of ${whole.networkBytes}`,
  );
});

test("an image that is damaged in the store is not pushed", { skip: skipWithoutRegistry }, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  await writeFile(imageFile(image, "vmlinuz"), noise("else", 50_001));
  await assert.rejects(
    push(registry.host, [image]),
    (error) => KelpieError.is(error) && error.code === "digest-mismatch",
  );
  const client = new RegistryClient(realPlatform, { host: registry.host, name: "org/kelpie-base" }, "pull");
  assert.equal(await client.fetchManifest({ kind: "tag", tag: testVersion }), undefined);
});

test("an image that is not there is not-found, by tag, by architecture and by repository", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const { reference } = await push(registry.host, [await addImage(realPlatform, at.from, "amd64")]);
  for (const [text, architecture] of [
    [reference, "arm64"],
    [`${reference}x`, "amd64"],
    [`${registry.host}/nothing:latest`, "amd64"],
  ] as const) {
    await assert.rejects(
      pull(at.to, text, architecture),
      (error) => KelpieError.is(error) && error.code === "not-found",
      text,
    );
  }
});

test("a blob is mounted from another repository, where the registry has it there", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  await push(registry.host, [image], "first");
  const options = { platform: realPlatform, images: [image], transfer: quick, mountFrom: "first" };
  const pushed = await pushImages({ ...options, repository: { host: registry.host, name: "second" } });
  assert.equal(pushed.networkBytes, 0);
  await assertSame(image, (await pull(at.to, pushed.reference)).image);
});

test("eight that pull the same image at once share one transfer", { skip: skipWithoutRegistry }, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  const { reference } = await push(registry.host, [image]);
  const pulled = await Promise.all(Array.from({ length: 8 }, () => pull(at.to, reference)));
  assert.equal(pulled.filter(({ wasThere }) => !wasThere).length, 1);
  for (const each of pulled) await assertSame(image, each.image);
});

test("logins of docker and podman, and a token of the environment, open a registry that wants tokens", {
  skip: skipWithoutRegistry,
}, async () => {
  await using tokens = await startTokenService("someone", "secret");
  await using registry = await startRegistry(tokens);
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  const auth = Buffer.from("someone:secret").toString("base64");
  await mkdir(join(at.directory, ".docker"));
  await writeFile(
    join(at.directory, ".docker/config.json"),
    JSON.stringify({ auths: { [registry.host]: { auth } } }),
  );
  await writeFile(
    join(at.directory, "auth.json"),
    JSON.stringify({ auths: { [`${registry.host}/org`]: { auth } } }),
  );
  const docker = withEnvironment(at.directory, {});
  const podman = withEnvironment("/nonexistent", { REGISTRY_AUTH_FILE: join(at.directory, "auth.json") });
  const token = withEnvironment("/nonexistent", {
    KELPIE_REGISTRY_TOKEN: "secret",
    KELPIE_REGISTRY_USER: "someone",
  });

  const { reference } = await push(registry.host, [image], "org/kelpie-base", docker);
  for (const platform of [docker, podman, token]) {
    const home = await mkdtemp(join(at.directory, "home-"));
    await assertSame(image, (await pull(home, reference, "amd64", platform)).image);
  }
  // One token serves all requests of a transfer.
  assert.equal(tokens.asked.length, 4);
  assert.deepEqual(tokens.asked[0], ["repository:org/kelpie-base:pull,push"]);
  assert.deepEqual(tokens.asked[1], ["repository:org/kelpie-base:pull"]);
});

for (const [name, environment] of [
  ["nobody", {}],
  ["a wrong secret", { KELPIE_REGISTRY_TOKEN: "guess", KELPIE_REGISTRY_USER: "someone" }],
] as const) {
  test(`${name} does not open a registry that wants tokens`, { skip: skipWithoutRegistry }, async () => {
    await using tokens = await startTokenService("someone", "secret");
    await using registry = await startRegistry(tokens);
    await using at = await homes();
    const platform = withEnvironment("/nonexistent", environment);
    await assert.rejects(
      pull(at.to, `${registry.host}/org/kelpie-base:latest`, "amd64", platform),
      (error) =>
        KelpieError.is(error) && error.code === "permission-denied" && error.help?.includes("login") === true,
    );
  });
}

test("skopeo reads what we push, and we read what skopeo pushes", { skip: skipWithoutSkopeo }, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const image = await addImage(realPlatform, at.from, "amd64");
  const { reference } = await push(registry.host, [image, await addImage(realPlatform, at.from, "arm64")]);
  // Not execFileSync: the registry would wait for us to read what it logs.
  const skopeo = async (...args: readonly string[]): Promise<Buffer> => {
    const env = { ...process.env, TMPDIR: at.directory };
    const { stdout } = await promisify(execFile)("skopeo", args, { env, encoding: "buffer" });
    return stdout;
  };

  const raw = await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${reference}`);
  const index = parseIndex(raw, "skopeo");
  assert.deepEqual(
    index.manifests.map(({ platform }) => platform?.architecture),
    ["amd64", "arm64"],
  );
  const [first] = index.manifests;
  const byDigest = `docker://${reference.replace(/:[^:]*$/, `@${first?.digest ?? ""}`)}`;
  const manifest = parseManifest(await skopeo("inspect", "--raw", "--tls-verify=false", byDigest), "skopeo");
  assert.equal(manifest.artifactType, "application/vnd.kelpie.image.v1");

  const layout = `oci:${at.directory}/layout:${testVersion}`;
  const copy = `docker://${registry.host}/copied/by-skopeo:${testVersion}`;
  await skopeo("copy", "--all", "--src-tls-verify=false", `docker://${reference}`, layout);
  await skopeo("copy", "--all", "--dest-tls-verify=false", layout, copy);
  const pulled = await pull(at.to, copy.slice("docker://".length));
  await assertSame(image, pulled.image);
  assert.equal(pulled.digest, first?.digest);
});

test("the store and the registry are the only places that a pull touches", {
  skip: skipWithoutRegistry,
}, async () => {
  await using registry = await startRegistry();
  await using at = await homes();
  const { reference } = await push(registry.host, [await addImage(realPlatform, at.from, "amd64")]);
  await pull(at.to, reference);
  assert.deepEqual((await readdir(at.to)).sort(), ["cache", "images"]);
  assert.equal((await new ImageStore(realPlatform, at.to).list()).images.length, 1);
});
