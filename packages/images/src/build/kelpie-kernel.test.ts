// Images with a kernel that was compiled for them, from a source that is built in a moment.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { type Architecture, KelpieError } from "@kelpie/platform";
import type { DebianRepository } from "@kelpie/repositories";
import {
  machineWithCompilers,
  release,
  smallKernelSource,
  withoutBuildTools,
} from "../kernel/testing/small-kernel-source.ts";
import { type ImageMetadata, parseImageMetadata } from "../metadata/image-metadata.ts";
import { lockedFor, lockPlan, lockText, parseLock } from "../plan/lock.ts";
import { bootFiles } from "../store/boot-files.ts";
import { type BuildOptions, buildImage, planImage } from "./build-image.ts";
import { smallWorld } from "./testing/small-world.ts";

const skip = withoutBuildTools();
const rootOptions = ["VIRTIO_PCI", "VIRTIO_BLK", "EXT4_FS", "DEVTMPFS", "DEVTMPFS_MOUNT"];

interface World {
  readonly options: BuildOptions;
  /** Replaces the options of the kernel. */
  readonly configure: (text: string) => void;
}

async function world(context: TestContext, architecture: Architecture): Promise<World> {
  const small = await smallWorld();
  context.after(() => small[Symbol.asyncDispose]());
  const place = (name: string): string => join(small.directory, name);
  const platform = machineWithCompilers(small.directory);
  const source = await smallKernelSource(small.directory, [], rootOptions);
  const repository: Pick<DebianRepository, "find" | "download"> = {
    find: (name) => ({ ...source.package, name, architecture }),
    download: () => Promise.resolve(source.archive),
  };
  mkdirSync(place("kernel"));
  writeFileSync(place(`kernel/${architecture}.config`), "CONFIG_SMP=y\n");
  const configure = (text: string): void => writeFileSync(place("kernel/common.config"), text);
  configure(rootOptions.map((name) => `CONFIG_${name}=y\n`).join(""));
  const { services } = small.options;
  assert.ok(services !== undefined);
  return {
    configure,
    options: {
      ...small.options,
      platform,
      spec: { ...small.spec, architecture, kernel: { source: "kelpie", config: [] } },
      kernelDirectory: place("kernel"),
      services: { ...services, openDebian: () => Promise.resolve(repository as DebianRepository) },
    },
  };
}

const metadataOf = (directory: string): ImageMetadata =>
  parseImageMetadata(readFileSync(join(directory, "metadata.json")), directory);

test("an image for amd64 carries the kernel in two forms, says what it was made from, and boots the better one", {
  skip,
}, async (context) => {
  const { options } = await world(context, "amd64");
  const { image, plan } = await buildImage(options);
  const { kernel, files } = metadataOf(image.directory);
  assert.ok(plan.kernel.source === "kelpie");
  assert.equal(kernel.release, release);
  assert.deepEqual(kernel.build, {
    source: plan.kernel.package.digest,
    config: plan.kernel.config,
    compiler: "gcc (Test) 12.0",
  });
  assert.deepEqual(
    kernel.images?.map(({ file, format }) => [file, format]),
    [
      ["vmlinuz", "bzImage"],
      ["vmlinux", "vmlinux"],
    ],
  );
  assert.equal(kernel.mountsRoot, true);
  assert.ok(files.vmlinux !== undefined);
  const boot = bootFiles(image);
  // The ELF of this test has no PVH note, which QEMU needs.
  assert.equal(boot.kernel, join(image.directory, "vmlinuz"));
  assert.equal(boot.withoutInitrd, true);
  assert.ok(readdirSync(image.directory).includes("vmlinux"));
});

test("an image for arm64 carries it once, and one without drivers for its root boots with an initrd", {
  skip,
}, async (context) => {
  const { options, configure } = await world(context, "arm64");
  configure("CONFIG_NET=y\n");
  const { image } = await buildImage(options);
  const { kernel, files } = metadataOf(image.directory);
  assert.deepEqual(kernel.images, [
    { file: "vmlinuz", format: "Image", vmms: ["qemu", "firecracker", "cloud-hypervisor", "libkrun"] },
  ]);
  assert.equal(kernel.mountsRoot, undefined);
  assert.equal(files.vmlinux, undefined);
  assert.equal(bootFiles(image).withoutInitrd, false);
});

test("a lock keeps source, options and compiler, and refuses others", { skip }, async (context) => {
  const { options, configure } = await world(context, "amd64");
  const { spec } = options;
  const plan = await planImage(options);
  const text = lockText({ amd64: lockPlan(spec, plan) });
  const lock = lockedFor(parseLock(text, "lock"), spec, "lock");
  assert.deepEqual((await buildImage({ ...options, lock })).plan, plan);
  configure("CONFIG_NET=y\n");
  await assert.rejects(
    buildImage({ ...options, lock }),
    (error) => KelpieError.is(error) && error.code === "digest-mismatch" && /options/.test(error.message),
  );
});
