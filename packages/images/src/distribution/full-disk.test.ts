// Fetching where the disk does not take it: one clear error, nothing lost, and it goes on once there is room.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { ImageStore } from "../store/image-store.ts";
import { pullImage } from "./artifact/pull-image.ts";
import { startFakeRegistry } from "./testing/fake-registry.ts";
import { addImage, noise, testVersion } from "./testing/images.ts";
import { verifyImage } from "./verify-image.ts";
import { pushImages } from "./artifact/push-image.ts";

const skip = process.getuid?.() === 0 ? false : "mounts need root";
const oldVersion = "1.0.0-20260101-0000000";

const fails =
  (code: KelpieErrorCode) =>
  (error: unknown): boolean =>
    KelpieError.is(error) && error.code === code;

/** Runs `body` with a home on a file system of its own, of `size`, which has an image already. */
async function withDisk(
  size: string,
  body: (at: { home: string; pull: () => Promise<unknown> }) => Promise<void>,
): Promise<"cannot mount" | undefined> {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-disk-");
  const home = join(directory.path, "home");
  mkdirSync(home);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", home]).status !== 0)
    return "cannot mount";
  try {
    await using registry = await startFakeRegistry();
    const files = { "rootfs.ext4": noise("large", 6 << 20) };
    const image = await addImage(realPlatform, join(directory.path, "from"), "amd64", { files });
    await pushImages({
      platform: realPlatform,
      images: [image],
      repository: { host: registry.host, name: "repo" },
    });
    const small = { "rootfs.ext4": noise("small", 50_000) };
    const kept = await addImage(realPlatform, home, "amd64", { version: oldVersion, files: small });
    const reference = {
      host: registry.host,
      name: "repo",
      target: { kind: "tag", tag: testVersion },
    } as const;
    await body({
      home,
      pull: () => pullImage({ platform: realPlatform, home, reference, architecture: "amd64" }),
    });
    for (const { kind } of await verifyImage(realPlatform, new ImageStore(realPlatform, home), kept))
      assert.equal(kind, "intact");
  } finally {
    execFileSync("umount", ["--recursive", home]);
  }
  return undefined;
}

async function versions(home: string): Promise<number> {
  return (await new ImageStore(realPlatform, home).list()).images.length;
}

test("a disk that is full during a pull is told, and the pull succeeds once there is room", {
  skip,
}, async (context) => {
  const skipped = await withDisk("4m", async ({ home, pull }) => {
    await assert.rejects(pull(), fails("disk-full"));
    assert.equal(await versions(home), 1);
    assert.deepEqual(
      readdirSync(join(home, "images")).filter((name) => /^\.(staging|lock)/.test(name)),
      [],
    );
    execFileSync("mount", ["-o", "remount,size=64m", home]);
    await pull();
    assert.equal(await versions(home), 2);
    assert.deepEqual(readdirSync(join(home, "cache/pulls")), []);
  });
  if (skipped !== undefined) context.skip(skipped);
});

test("a home that is mounted read-only is told, and what it has is still used", { skip }, async (context) => {
  const skipped = await withDisk("64m", async ({ home, pull }) => {
    execFileSync("mount", ["-o", "remount,ro", home]);
    await assert.rejects(pull(), fails("read-only"));
    assert.equal(await versions(home), 1);
  });
  if (skipped !== undefined) context.skip(skipped);
});
