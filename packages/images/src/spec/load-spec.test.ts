import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { loadSpec } from "./load-spec.ts";

async function withSpecs(
  specs: Record<string, string>,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-spec-"));
  try {
    for (const [name, text] of Object.entries(specs)) {
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), text);
    }
    await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const platform = realPlatform;
const parent = `
name: parent
distribution: debian
repositories: {debian: {release: bookworm}}
packages: [base-files, bash]
overlays: [overlay]
users: [{name: me, uid: 1000}, {name: you, uid: 1001}]
environment: {LANG: C, EDITOR: vi}
files: {/etc/a: {source: a.txt}}
kernel: {source: debian}
`;

test("a spec that extends another adds to its lists and takes the place of its values", async () => {
  const child = `
extends: common/parent.yaml
name: child
packages: [python3, -bash]
users: [{name: you, uid: 2000}]
environment: {LANG: C.UTF-8}
files: {/etc/b: {source: b.txt}}
`;
  await withSpecs({ "child.yaml": child, "common/parent.yaml": parent }, async (directory) => {
    const spec = await loadSpec(platform, join(directory, "child.yaml"), "arm64");
    assert.equal(spec.name, "child");
    assert.deepEqual(spec.packages, ["base-files", "python3"]);
    assert.deepEqual(spec.users, [
      { name: "me", uid: 1000 },
      { name: "you", uid: 2000 },
    ]);
    assert.deepEqual(spec.environment, { LANG: "C.UTF-8", EDITOR: "vi" });
    assert.deepEqual(spec.overlays, [join(directory, "common/overlay")]);
    assert.deepEqual(spec.files, {
      "/etc/a": { source: join(directory, "common/a.txt") },
      "/etc/b": { source: join(directory, "b.txt") },
    });
    assert.deepEqual(spec.kernel, { source: "debian", package: "linux-image-cloud-arm64" });
  });
});

test("services and mounts of a spec that is extended come first, and one of the same name or path is replaced", async () => {
  const init = (text: string): string => `init: ${text}\n`;
  const child = `extends: common/parent.yaml
name: child
${init('{services: [{name: two, source: two.sh}, {name: three, content: "#!/bin/sh\\n"}], mounts: [{source: tmpfs, path: /b, type: tmpfs}]}')}`;
  const above = `${parent}${init('{services: [{name: one, source: one.sh}, {name: two, content: "#!/bin/sh\\n"}], mounts: [{source: /dev/vdb, path: /a, type: ext4}]}')}`;
  await withSpecs({ "child.yaml": child, "common/parent.yaml": above }, async (directory) => {
    const { init: found } = await loadSpec(platform, join(directory, "child.yaml"), "arm64");
    assert.deepEqual(found.services, [
      { name: "one", source: join(directory, "common/one.sh") },
      { name: "two", source: join(directory, "two.sh") },
      { name: "three", content: "#!/bin/sh\n" },
    ]);
    assert.deepEqual(
      found.mounts.map(({ path }) => path),
      ["/a", "/b"],
    );
  });
});

test("specs that extend each other are refused", async () => {
  await withSpecs({ "a.yaml": "extends: b.yaml\n", "b.yaml": "extends: a.yaml\n" }, async (directory) => {
    await assert.rejects(loadSpec(platform, join(directory, "a.yaml"), "amd64"), {
      code: "invalid-input",
      found: "a.yaml → b.yaml → a.yaml",
    });
  });
});

test("a spec without what a build needs is refused by the key's name", async () => {
  for (const [key, text] of [
    ["distribution", "name: x\n"],
    ["packages", "name: x\ndistribution: alpine\n"],
    ["kernel", "name: x\ndistribution: alpine\npackages: [busybox]\n"],
    ["name", "distribution: alpine\npackages: [busybox]\nkernel: {source: alpine}\n"],
  ] as const) {
    await withSpecs({ "x.yaml": text }, async (directory) => {
      await assert.rejects(loadSpec(platform, join(directory, "x.yaml"), "amd64"), (error: unknown) => {
        assert.ok(KelpieError.is(error));
        assert.match(error.summary, new RegExp(`no \`${key}\``));
        return true;
      });
    });
  }
});

test("the tarball of each architecture is chosen, and a local copy can take its place", async () => {
  const tarball = (name: string, digit: string): string => `{tarball: ${name}, sha512: ${digit.repeat(128)}}`;
  const text = `
name: x
distribution: alpine
base: {amd64: ${tarball("https://example.org/a.tar.gz", "a")}, arm64: ${tarball("b.tar.gz", "b")}}
kernel: {source: path, image: {amd64: k1, arm64: k2}, modules: m}
`;
  await withSpecs({ "x.yaml": text }, async (directory) => {
    const path = join(directory, "x.yaml");
    assert.equal((await loadSpec(platform, path, "amd64")).base?.tarball, "https://example.org/a.tar.gz");
    const arm64 = await loadSpec(platform, path, "arm64");
    assert.deepEqual(arm64.base, {
      tarball: join(directory, "b.tar.gz"),
      sha512: "b".repeat(128),
      url: undefined,
    });
    assert.deepEqual(arm64.kernel, {
      source: "path",
      image: join(directory, "k2"),
      modules: join(directory, "m"),
    });
    const local = await loadSpec(platform, path, "amd64", { baseTarball: "/tmp/local.tar.gz" });
    assert.deepEqual(local.base, {
      tarball: "/tmp/local.tar.gz",
      sha512: "a".repeat(128),
      url: "https://example.org/a.tar.gz",
    });
  });
});

test("a local tarball for a spec without one is an error of usage", async () => {
  await withSpecs({ "parent.yaml": parent }, async (directory) => {
    await assert.rejects(
      loadSpec(platform, join(directory, "parent.yaml"), "amd64", { baseTarball: "x.tar" }),
      { code: "usage" },
    );
  });
});

for (const name of ["kelpie-base", "kelpie-debian", "kelpie-minirootfs", "node", "python"]) {
  test(`the spec ${name} is complete for both architectures`, async () => {
    const path = join(import.meta.dirname, "../../../../images", `${name}.yaml`);
    for (const architecture of ["amd64", "arm64"] as const) {
      const spec = await loadSpec(platform, path, architecture);
      assert.equal(spec.name, name);
      assert.equal(spec.architecture, architecture);
    }
  });
}
