import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { textSource, type TreeNode } from "@kelpie/formats";
import { openAlpineRepositories } from "@kelpie/repositories";
/* eslint-disable @typescript-eslint/no-restricted-imports -- a mirror is made by the helpers of the package that reads it, which are no part of its public face */
import {
  createTestKey,
  makeIndex,
  makePackage,
  type TestKey,
} from "../../../repositories/src/alpine/testing/packages.ts";
import { type Mirror, startMirror } from "../../../repositories/src/testing/mirror.ts";
/* eslint-enable @typescript-eslint/no-restricted-imports */
import type { ImageSpec } from "../spec/image-spec.ts";
import { lockPlan } from "../plan/lock.ts";
import { type BuildOptions, buildImage, planImage } from "./build-image.ts";
import { type SmallWorld, smallWorld } from "./testing/small-world.ts";

const file = (text: string, mode = 0o644): TreeNode => ({
  kind: "file",
  mode,
  uid: 0,
  gid: 0,
  mtimeSeconds: 5,
  content: textSource(text),
});

/** The packages of a small Alpine, whose scripts are like the real ones. */
function packagesOf(toolVersion: string): Parameters<typeof makePackage>[0][] {
  const architecture = "aarch64";
  return [
    {
      name: "layout",
      version: "1-r0",
      architecture,
      files: [
        { path: "etc/passwd", node: file("root:x:0:0:root:/root:/bin/sh\n") },
        { path: "etc/group", node: file("root:x:0:\n") },
        { path: "etc/os-release", node: file("ID=alpine\nVERSION_ID=3.19.4\n") },
      ],
    },
    {
      name: "busybox",
      version: "1.36-r1",
      architecture,
      info: [["depend", "layout"]],
      files: [
        { path: "bin/busybox", node: file("busybox", 0o755) },
        { path: "etc/busybox-paths.d/busybox", node: file("bin/ls\nusr/bin/awk\nsbin/init\n") },
      ],
      scripts: { ".post-install": "#!/bin/busybox sh\nexec /bin/busybox --install -s\n" },
    },
    {
      name: "tool",
      version: toolVersion,
      architecture,
      info: [["depend", "busybox"]],
      files: [{ path: "usr/bin/awk", node: file("awk", 0o755) }],
      scripts: {
        ".pre-install":
          "#!/bin/sh\naddgroup -S tool 2>/dev/null\nadduser -S -D -H -G tool tool 2>/dev/null\nexit 0\n",
      },
    },
  ];
}

async function publish(mirror: Mirror, key: TestKey, toolVersion: string): Promise<void> {
  const made = await Promise.all(packagesOf(toolVersion).map((each) => makePackage(each, { key })));
  for (const { record, bytes } of made)
    mirror.put(`/main/aarch64/${record.name}-${record.version}.apk`, bytes);
  mirror.put(
    "/main/aarch64/APKINDEX.tar.gz",
    await makeIndex(
      made.map(({ record }) => record),
      { key },
    ),
  );
}

async function optionsFor(world: SmallWorld, mirror: Mirror, key: TestKey): Promise<BuildOptions> {
  const path = join(world.directory, key.name);
  await writeFile(path, key.publicPem);
  const spec: ImageSpec = {
    ...world.spec,
    base: undefined,
    packages: ["tool"],
    repositories: { alpine: [{ url: `${mirror.url}/main` }], debian: undefined },
    keys: { alpine: [path], debian: [] },
  };
  const { services } = world.options;
  assert.ok(services !== undefined);
  return { ...world.options, spec, services: { ...services, openAlpine: openAlpineRepositories } };
}

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
