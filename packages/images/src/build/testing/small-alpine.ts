// A small Alpine on a mirror of this machine, for tests of builds from packages.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openAlpineRepositories } from "@kelpie/repositories";
import {
  file,
  makeIndex,
  makePackage,
  type TestKey,
} from "../../../../repositories/src/alpine/testing/packages.ts";
import type { Mirror } from "../../../../repositories/src/testing/mirror.ts";
import type { ImageSpec } from "../../spec/image-spec.ts";
import type { BuildOptions } from "../build-image.ts";
import type { SmallWorld } from "./small-world.ts";

/** The packages of a small Alpine, whose scripts are like the real ones. */
export function packagesOf(toolVersion: string): Parameters<typeof makePackage>[0][] {
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

/** Puts the packages, with the tool in this version, and their index on the mirror. */
export async function publish(mirror: Mirror, key: TestKey, toolVersion: string): Promise<void> {
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

/** The world's build, of the mirror's packages. */
export async function optionsFor(world: SmallWorld, mirror: Mirror, key: TestKey): Promise<BuildOptions> {
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
