import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createTestKey, makePackage } from "../../../repositories/src/alpine/testing/packages.ts";
import { startMirror } from "../../../repositories/src/testing/mirror.ts";
import { lockPlan } from "../plan/lock.ts";
import { buildImage, planImage } from "./build-image.ts";
import { optionsFor, packagesOf, publish } from "./testing/small-alpine.ts";
import { smallWorld } from "./testing/small-world.ts";

const skip = existsSync("/sbin/debugfs") ? false : "no e2fsprogs are installed";

test("an image is built from a mirror of Alpine's kind, with the effects of its packages' scripts", {
  skip,
}, async () => {
  await using world = await smallWorld();
  await using mirror = await startMirror();
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const { image, plan } = await buildImage(await optionsFor(world, mirror, key));
  assert.deepEqual(
    plan.packages.map(({ name, version }) => `${name} ${version}`),
    ["layout 1-r0", "busybox 1.36-r1", "tool 1.0-r0"],
  );
  const debugfs = (command: string): string =>
    execFileSync("/sbin/debugfs", ["-R", command, join(image.directory, "rootfs.ext4")], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  assert.match(debugfs("stat /bin/ls"), /Fast link dest: "\/bin\/busybox"/);
  assert.equal(debugfs("cat /usr/bin/awk"), "awk");
  assert.equal(debugfs("cat /sbin/init"), "the init of a test");
  assert.match(debugfs("cat /etc/passwd"), /^tool:x:100:100:/m);
  assert.match(debugfs("cat /lib/apk/db/installed"), /^P:busybox$/m);
  assert.equal(debugfs("cat /etc/apk/world"), "tool\n");
});

test("a locked build takes the locked packages when the mirror has moved on, and from the cache when it has dropped them", async () => {
  await using world = await smallWorld();
  await using mirror = await startMirror();
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const options = await optionsFor(world, mirror, key);
  const lock = lockPlan(options.spec, await planImage(options));
  const first = await buildImage({ ...options, lock });
  await publish(mirror, key, "2.0-r0");
  for (const path of ["tool-1.0-r0", "busybox-1.36-r1", "layout-1-r0"])
    mirror.remove(`/main/aarch64/${path}.apk`);
  const again = await buildImage({ ...options, lock });
  assert.deepEqual(again.plan, first.plan);
  assert.equal(again.plan.packages.at(-1)?.version, "1.0-r0");
});

test("a locked build on another machine refuses a package that is not what the lock names", async () => {
  await using world = await smallWorld();
  await using other = await smallWorld();
  await using mirror = await startMirror();
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const options = await optionsFor(world, mirror, key);
  const lock = lockPlan(options.spec, await planImage(options));
  const [changed] = await Promise.all(
    packagesOf("1.0-r0")
      .slice(-1)
      .map((each) => makePackage({ ...each, files: [] }, { key })),
  );
  mirror.put("/main/aarch64/tool-1.0-r0.apk", changed?.bytes ?? new Uint8Array());
  await assert.rejects(buildImage({ ...(await optionsFor(other, mirror, key)), lock }), {
    code: "digest-mismatch",
  });
});

test("a locked build refuses programs of the guest that are not the lock's", async () => {
  await using world = await smallWorld();
  await using mirror = await startMirror();
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const options = await optionsFor(world, mirror, key);
  const lock = lockPlan(options.spec, await planImage(options));
  const strange = { ...lock, guest: { ...lock.guest, agent: `sha256:${"0".repeat(64)}` } };
  await assert.rejects(buildImage({ ...options, lock: strange }), {
    code: "digest-mismatch",
    message: /agent is not the one that the lock names/,
  });
});
