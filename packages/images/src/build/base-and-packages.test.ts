// A base tarball with packages of a mirror on top.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipBytes, MemorySink, writeTar } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { createTestKey } from "../../../repositories/src/alpine/testing/packages.ts";
import { startMirror } from "../../../repositories/src/testing/mirror.ts";
import { openRootfs } from "../diff/root-file-system.ts";
import { lockPlan } from "../plan/lock.ts";
import { ImageStore } from "../store/image-store.ts";
import { type BuildOptions, buildImage, planImage } from "./build-image.ts";
import { optionsFor, publish } from "./testing/small-alpine.ts";
import { type SmallWorld, smallWorld } from "./testing/small-world.ts";

const skip = existsSync("/sbin/debugfs") ? false : "no e2fsprogs are installed";

/** The same build with the root file system of an image as its base. */
async function onTopOf(
  world: SmallWorld,
  options: BuildOptions,
  image: Parameters<typeof openRootfs>[1],
  packages: readonly string[],
): Promise<BuildOptions> {
  const { tree } = await openRootfs(realPlatform.files, image);
  const sink = new MemorySink();
  await writeTar(tree.entries(), sink);
  const tarball = gzipBytes(sink.toBytes());
  const path = join(world.directory, "alpine.tar.gz");
  await writeFile(path, tarball);
  const sha512 = createHash("sha512").update(tarball).digest("hex");
  const base = { tarball: path, sha512, url: undefined };
  return { ...options, spec: { ...options.spec, name: "on-top", base, packages } };
}

test("packages come on top of a base, whose own packages stay", { skip }, async () => {
  await using world = await smallWorld();
  await using mirror = await startMirror();
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const from = await optionsFor(world, mirror, key);
  const { image: below } = await buildImage({ ...from, spec: { ...from.spec, packages: ["busybox"] } });
  const options = await onTopOf(world, from, below, ["tool"]);
  const { image, plan } = await buildImage(options);
  assert.deepEqual(
    plan.packages.map(({ name }) => name),
    ["tool"],
  );
  const metadata = await new ImageStore(realPlatform, world.home).metadata(image);
  assert.deepEqual(
    metadata.packages.map(({ name }) => name),
    ["layout", "busybox", "tool"],
  );
  const debugfs = (command: string): string =>
    execFileSync("/sbin/debugfs", ["-R", command, join(image.directory, "rootfs.ext4")], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  assert.equal(debugfs("cat /usr/bin/awk"), "awk");
  assert.match(debugfs("stat /bin/ls"), /Fast link dest: "\/bin\/busybox"/);
  assert.match(debugfs("cat /etc/passwd"), /^root:.*\ntool:x:100:100:/);
  assert.equal(debugfs("cat /etc/apk/world"), "busybox\ntool\n");
  assert.match(debugfs("cat /lib/apk/db/installed"), /^P:layout$[^]*^P:busybox$[^]*^P:tool$/m);

  const lock = lockPlan(options.spec, await planImage(options));
  mirror.remove("/main/aarch64/APKINDEX.tar.gz");
  const again = await buildImage({ ...options, lock, offline: true });
  assert.deepEqual(again.plan, plan);
});

test("packages on top of another base than Alpine's are refused", async () => {
  await using world = await smallWorld();
  const spec = { ...world.spec, packages: ["bash"] };
  await assert.rejects(planImage({ ...world.options, spec: { ...spec, distribution: "debian" } }), {
    code: "unsupported",
  });
});
