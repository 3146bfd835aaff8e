// What was vendored, through an image layout and a registry, and built from with the mirror gone.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { createTestKey } from "../../../repositories/src/alpine/testing/packages.ts";
import { startMirror } from "../../../repositories/src/testing/mirror.ts";
import { type BuildOptions, buildImage, planImage } from "../build/build-image.ts";
import { optionsFor, publish } from "../build/testing/small-alpine.ts";
import { type SmallWorld, smallWorld } from "../build/testing/small-world.ts";
import { blobPath } from "../distribution/oci/layout.ts";
import { parseReference } from "../distribution/oci/reference.ts";
import { startRegistry, unlessInstalled } from "../distribution/testing/registry.ts";
import { type ImageLock, lockPlan } from "../plan/lock.ts";
import { fetchVendored, type VendoredPlace } from "./fetch-vendored.ts";
import { buildFromVendored, vendorImage } from "./vendor.ts";
import { type KeptFile, pushVendored, writeVendoredLayout } from "./write-vendored.ts";

interface Kept extends AsyncDisposable {
  readonly world: SmallWorld;
  readonly lock: ImageLock;
  readonly files: readonly KeptFile[];
  /** A build on another machine, whose mirror and compiler are gone. */
  elsewhere(place: VendoredPlace): Promise<Record<string, string>>;
  /** What the build gave where all was there. */
  readonly expected: Record<string, string>;
}

async function built(options: BuildOptions): Promise<Record<string, string>> {
  const { image } = await buildImage(options);
  const names = ["rootfs.ext4", "vmlinuz", "initrd", "metadata.json"];
  const contents = names.map(async (name) => {
    const bytes = await readFile(join(image.directory, name));
    return [name, bytes.toString("base64")] as const;
  });
  return Object.fromEntries(await Promise.all(contents));
}

async function keep(): Promise<Kept> {
  const world = await smallWorld();
  const other = await smallWorld();
  const key = createTestKey();
  await using mirror = await startMirror();
  await publish(mirror, key, "1.0-r0");
  const options = await optionsFor(world, mirror, key);
  const there = await optionsFor(other, mirror, key);
  const locked = lockPlan(options.spec, await planImage(options));
  const files: KeptFile[] = [];
  await vendorImage({
    ...options,
    lock: locked,
    keep: (place, path) => Promise.resolve(void files.push({ place, path })),
  });
  const { architecture } = options.spec;
  return {
    world,
    files,
    lock: { [architecture]: locked },
    expected: await built({ ...options, lock: locked }),
    async elsewhere(place) {
      await rm(join(other.home, "cache"), { recursive: true, force: true });
      const directory = await fetchVendored(realPlatform, join(other.home, "cache"), place, architecture);
      const { services } = there;
      assert.ok(services !== undefined);
      const guestBinaries = (): Promise<never> =>
        Promise.reject(new KelpieError("missing-tool", "No compiler"));
      const build = { ...there, lock: locked, services: { ...services, guestBinaries } };
      return built(await buildFromVendored(build, directory));
    },
    [Symbol.asyncDispose]: async () => {
      await other[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

test("an image layout of what was vendored builds the same image with the mirror gone", async () => {
  await using kept = await keep();
  const directory = join(kept.world.directory, "layout");
  const digest = await writeVendoredLayout(realPlatform, directory, kept.lock, kept.files);
  assert.deepEqual(await kept.elsewhere({ kind: "layout", directory }), kept.expected);
  // Another layout of the same is the same, and none is written over one that stands.
  const again = join(kept.world.directory, "again");
  assert.equal(await writeVendoredLayout(realPlatform, again, kept.lock, kept.files.toReversed()), digest);
  await assert.rejects(writeVendoredLayout(realPlatform, again, kept.lock, kept.files), {
    code: "already-exists",
  });
});

test("an artifact in a registry builds the same image with the mirror gone, and skopeo copies it", {
  skip: unlessInstalled("docker-registry", "skopeo"),
}, async () => {
  await using kept = await keep();
  await using registry = await startRegistry();
  const repository = { host: registry.host, name: "org/kept" };
  const text = await pushVendored(realPlatform, repository, kept.lock, kept.files);
  assert.match(text, /org\/kept@sha256:[0-9a-f]{64}$/);
  const reference = parseReference(text);
  assert.deepEqual(await kept.elsewhere({ kind: "registry", reference }), kept.expected);
  assert.equal(await pushVendored(realPlatform, repository, kept.lock, kept.files), text);
  const directory = join(kept.world.directory, "copied");
  const copy = ["copy", "--quiet", "--src-tls-verify=false", `docker://${text}`, `oci:${directory}:vendored`];
  execFileSync("skopeo", copy);
  assert.deepEqual(await kept.elsewhere({ kind: "layout", directory }), kept.expected);
});

test("what was changed, is missing or is something else is refused", async () => {
  await using kept = await keep();
  const directory = join(kept.world.directory, "layout");
  await writeVendoredLayout(realPlatform, directory, kept.lock, kept.files);
  const place = { kind: "layout", directory } as const;
  const { packages } = Object.values(kept.lock)[0] ?? { packages: [] };
  assert.ok(packages.length > 0);
  const blobs = join(directory, "blobs/sha256");
  for (const name of await readdir(blobs)) {
    const path = join(directory, blobPath(`sha256:${name}`));
    const right = await readFile(path);
    await writeFile(
      path,
      right.map((byte, index) => (index === right.length - 1 ? byte ^ 1 : byte)),
    );
    await assert.rejects(kept.elsewhere(place), { code: "digest-mismatch" }, name);
    await rm(path);
    await assert.rejects(kept.elsewhere(place), { code: "not-found" }, name);
    await writeFile(path, right);
  }
  const empty = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] };
  await writeFile(join(directory, "index.json"), JSON.stringify(empty));
  await assert.rejects(kept.elsewhere(place), { code: "unsupported" });
});
