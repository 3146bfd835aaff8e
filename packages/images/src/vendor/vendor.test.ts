import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { createTestKey } from "../../../repositories/src/alpine/testing/packages.ts";
import { startMirror } from "../../../repositories/src/testing/mirror.ts";
import { type BuildOptions, buildImage, planImage } from "../build/build-image.ts";
import { optionsFor, publish } from "../build/testing/small-alpine.ts";
import { smallWorld } from "../build/testing/small-world.ts";
import { lockPlan } from "../plan/lock.ts";
import { buildFromVendored, keepIn, type LockedBuild, vendorImage } from "./vendor.ts";

/** As on a machine that has no compiler. */
function withoutCompiler<T extends BuildOptions>(options: T): T {
  const { services } = options;
  assert.ok(services !== undefined);
  const guestBinaries = (): Promise<never> => Promise.reject(new KelpieError("missing-tool", "No compiler"));
  return { ...options, services: { ...services, guestBinaries } };
}

async function digests(directory: string): Promise<string[]> {
  const names = ["rootfs.ext4", "vmlinuz", "initrd", "metadata.json"];
  return Promise.all(names.map(async (name) => (await readFile(join(directory, name))).toString("base64")));
}

test("what is kept builds the same image with an empty cache, no mirror and no compiler", async () => {
  await using world = await smallWorld();
  await using other = await smallWorld();
  const key = createTestKey();
  const kept = join(world.directory, "kept");
  let first: LockedBuild;
  let there: BuildOptions;
  {
    await using mirror = await startMirror();
    await publish(mirror, key, "1.0-r0");
    const options = await optionsFor(world, mirror, key);
    there = await optionsFor(other, mirror, key);
    first = { ...options, lock: lockPlan(options.spec, await planImage(options)) };
    const { files, sizeBytes } = await vendorImage({ ...first, keep: keepIn(realPlatform, kept) });
    assert.equal(files, 5);
    assert.ok(sizeBytes > 0);
    assert.deepEqual(await vendorImage({ ...first, keep: keepIn(realPlatform, kept) }), { files, sizeBytes });
  }
  const { image } = await buildImage(first);
  const again = await buildImage(
    await buildFromVendored(withoutCompiler({ ...there, lock: first.lock }), kept),
  );
  assert.notEqual(again.image.directory, image.directory);
  assert.deepEqual(await digests(again.image.directory), await digests(image.directory));
});

test("a base tarball is kept too, and taken from where it is kept", async () => {
  await using world = await smallWorld();
  const kept = join(world.directory, "kept");
  const { options, spec } = world;
  const build = { ...options, lock: lockPlan(spec, await planImage(options)) };
  await vendorImage({ ...build, keep: keepIn(realPlatform, kept) });
  await rm(join(world.directory, "base.tar.gz"));
  await assert.rejects(buildImage(build), { code: "not-found" });
  await buildImage(await buildFromVendored(build, kept));
});

test("what was changed where it was kept is refused", async () => {
  await using world = await smallWorld();
  await using other = await smallWorld();
  await using mirror = await startMirror();
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const options = await optionsFor(world, mirror, key);
  const lock = lockPlan(options.spec, await planImage(options));
  const kept = join(world.directory, "kept");
  await vendorImage({ ...options, lock, keep: keepIn(realPlatform, kept) });
  const there = { ...(await optionsFor(other, mirror, key)), lock };
  const program = join(kept, "guest", lock.guest.agent.replace(":", "-"));
  const right = await readFile(program);
  await writeFile(program, "another");
  await assert.rejects(buildImage(await buildFromVendored(there, kept)), { code: "digest-mismatch" });
  await writeFile(program, right);
  const archives = join(kept, "alpine/packages");
  const [first = ""] = await readdir(archives);
  const bytes = await readFile(join(archives, first));
  await writeFile(join(archives, first), bytes.fill(0, 100));
  await rm(join(other.home, "cache"), { recursive: true });
  // Damaged in the cache is as good as absent, and nothing may be fetched.
  await assert.rejects(buildImage(await buildFromVendored(there, kept)), { code: "unreachable" });
});
