// First use: images that are fetched because somebody wants to run them.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Architecture,
  KelpieError,
  type KelpieErrorCode,
  type Platform,
  realPlatform,
} from "@kelpie/platform";
import { imageFile, ImageStore } from "../../store/image-store.ts";
import { formatImageVersion } from "../../version/image-version.ts";
import { pushImages } from "../artifact/push-image.ts";
import { exportImage } from "../release/export-image.ts";
import { startFakeRegistry } from "../testing/fake-registry.ts";
import { addImage } from "../testing/images.ts";
import { ensureImage, type EnsuredImage } from "./ensure-image.ts";

const platform = realPlatform;
const architecture: Architecture = "amd64";
const versions = ["1.0.0-20260115-a3f4d21", "1.0.1-20260116-b3f4d21", "1.1.0-20260117-c3f4d21"] as const;
const newest = versions[2];

interface World extends AsyncDisposable {
  /** Of those who fetch. */
  readonly home: string;
  /** Where the images that can be fetched were made. */
  readonly from: string;
  ensure(reference: string, ...sources: readonly string[]): Promise<EnsuredImage>;
}

async function world(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-ensure-"));
  const home = join(directory, "home");
  const from = join(directory, "from");
  for (const version of versions) await addImage(platform, from, architecture, { version });
  return {
    home,
    from,
    ensure: (reference, ...sources) => {
      const environment = { ...platform.host.environment, KELPIE_IMAGE_SOURCES: sources.join(" ") };
      const here: Platform = { ...platform, host: { ...platform.host, environment } };
      return ensureImage({ platform: here, home, reference, architecture });
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

function version({ image }: EnsuredImage): string {
  return formatImageVersion(image.version);
}

function fails(code: KelpieErrorCode, text = ""): (error: unknown) => boolean {
  return (error) => KelpieError.is(error) && error.code === code && error.message.includes(text);
}

async function release(from: string, ...chosen: readonly string[]): Promise<string> {
  const dist = join(from, "dist");
  await mkdir(dist, { recursive: true });
  for (const image of (await new ImageStore(platform, from).list()).images)
    if (chosen.includes(formatImageVersion(image.version)))
      await exportImage({ platform, image, output: dist });
  return dist;
}

test("latest, MAJOR.MINOR, a release and a whole version are fetched from a directory, and then the store has them", async () => {
  await using at = await world();
  const dist = await release(at.from, ...versions);
  for (const [reference, expected] of [
    ["latest", newest],
    ["1.0.0", versions[0]],
    ["1.0.1-2", versions[1]],
  ] as const) {
    const fetched = await at.ensure(reference, dist);
    assert.equal(version(fetched), expected, reference);
    assert.equal(fetched.fetchedFrom, dist);
    const again = await at.ensure(reference);
    assert.deepEqual([version(again), again.fetchedFrom], [expected, undefined]);
  }
});

test("MAJOR.MINOR is the newest that a registry has of it, and sources that have nothing are passed over", async () => {
  await using at = await world();
  await using registry = await startFakeRegistry();
  const empty = join(at.from, "empty");
  await mkdir(empty);
  const { images } = await new ImageStore(platform, at.from).list();
  for (const image of images)
    await pushImages({ platform, images: [image], repository: { host: registry.host, name: "repo" } });
  const source = `${registry.host}/repo`;
  assert.equal(version(await at.ensure("1.0", empty, source)), versions[1]);
});

test("a registry's reference is fetched once and then found without the registry", async () => {
  await using at = await world();
  const registry = await startFakeRegistry();
  const reference = `${registry.host}/repo:stable`;
  try {
    const { images } = await new ImageStore(platform, at.from).list();
    const repository = { host: registry.host, name: "repo" };
    await pushImages({ platform, images: images.slice(0, 1), repository, tags: ["stable"] });
    assert.equal((await at.ensure(reference)).fetchedFrom, reference);
  } finally {
    await registry[Symbol.asyncDispose]();
  }
  const again = await at.ensure(reference);
  assert.deepEqual([version(again), again.fetchedFrom], [versions[0], undefined]);
});

test("a name that no source of that name has is told with every reason", async () => {
  await using at = await world();
  const dist = await release(at.from, newest);
  await assert.rejects(at.ensure("kelpie-debian", dist), fails("not-found", `${dist}: nothing that`));
  await assert.rejects(at.ensure("2.0", dist, join(at.from, "nowhere")), fails("not-found", "nowhere"));
  await assert.rejects(at.ensure("latest"), fails("not-found", "an empty store"));
});

test("an image that was damaged in the store is refused, not run", async () => {
  await using at = await world();
  const { image } = await at.ensure("latest", await release(at.from, newest));
  const path = imageFile(image, "vmlinuz");
  chmodSync(path, 0o644);
  writeFileSync(path, Buffer.alloc(50_001));
  await assert.rejects(at.ensure("latest"), fails("digest-mismatch", "vmlinuz"));
});

test("of four processes that want the same image one fetches it", async () => {
  await using at = await world();
  await using registry = await startFakeRegistry();
  const { images } = await new ImageStore(platform, at.from).list();
  await pushImages({ platform, images: images.slice(2), repository: { host: registry.host, name: "repo" } });
  const before = registry.seen.length;
  const children = Array.from({ length: 4 }, () =>
    fork(join(import.meta.dirname, "../testing/ensure.ts"), [at.home, "latest", architecture], {
      env: { ...process.env, KELPIE_IMAGE_SOURCES: `${registry.host}/repo` },
      stdio: "inherit",
    }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as unknown));
  assert.deepEqual(codes, [0, 0, 0, 0]);
  const blobs = registry.seen.slice(before).filter(({ path }) => path.startsWith("blobs/"));
  assert.equal(new Set(blobs.map(({ path }) => path)).size, blobs.length);
});
