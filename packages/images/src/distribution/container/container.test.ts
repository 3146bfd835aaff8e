// Images as container images, judged by skopeo, umoci and tar.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { FileTree, MemorySink, textSource, type TreeNode, writeExt4 } from "@kelpie/formats";
import { type Architecture, KelpieError, realPlatform } from "@kelpie/platform";
import { imageFile, type StoredImage } from "../../store/image-store.ts";
import { pullImage } from "../artifact/pull-image.ts";
import { pushImages } from "../artifact/push-image.ts";
import { parseReference } from "../oci/reference.ts";
import { addImage, testVersion } from "../testing/images.ts";
import { startRegistry, unlessInstalled } from "../testing/registry.ts";
import { exportContainer } from "./export-container.ts";

const run = promisify(execFile);
const owner = { uid: 0, gid: 0, mtimeSeconds: 1_600_000_000 };
const both = ["amd64", "arm64"] as const;

function rootTree(changes: Readonly<Record<string, TreeNode>> = {}): FileTree {
  const tree = new FileTree();
  const file = (text: string, mode = 0o644): TreeNode => ({
    ...owner,
    kind: "file",
    mode,
    content: textSource(text),
  });
  const hello = file("hello", 0o4755);
  const entries: Readonly<Record<string, TreeNode>> = {
    "bin/bash": file("#!", 0o755),
    "bin/hello": hello,
    "bin/same": hello,
    "dev/console": { ...owner, kind: "character-device", mode: 0o600, major: 5, minor: 1 },
    "etc/kelpie/environment": file("PATH=/bin\nLANG=C.UTF-8\n"),
    "etc/link": { ...owner, kind: "symlink", mode: 0o777, target: "../bin/hello" },
    "etc/owned": {
      ...owner,
      uid: 1000,
      gid: 70_000,
      kind: "file",
      mode: 0o640,
      content: textSource("mine"),
      xattrs: new Map([["user.note", new TextEncoder().encode("kept")]]),
    },
    "run/socket": { ...owner, kind: "socket", mode: 0o777 },
    "run/pipe": { ...owner, kind: "fifo", mode: 0o600 },
    workspace: { ...owner, kind: "directory", mode: 0o755 },
    ...changes,
  };
  for (const [path, node] of Object.entries(entries)) tree.put(path, node);
  return tree;
}

interface World extends AsyncDisposable {
  readonly directory: string;
  readonly home: string;
  add(architecture: Architecture, tree?: FileTree): Promise<StoredImage>;
}

async function world(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-container-test-"));
  const home = join(directory, "home");
  return {
    directory,
    home,
    async add(architecture, tree = rootTree()) {
      const sink = new MemorySink();
      await writeExt4(tree, sink, { label: "x", seed: new Uint8Array(32), timestampSeconds: 1_700_000_000 });
      return addImage(realPlatform, home, architecture, { files: { "rootfs.ext4": sink.toBytes() } });
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

async function json(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, "utf8")) as unknown;
}

test("a layout names every blob by its digest, and the configuration every layer by what it unpacks to", async () => {
  await using at = await world();
  const images = [await at.add("amd64"), await at.add("arm64")];
  const output = join(at.directory, "layout");
  const { manifests } = await exportContainer({ platform: realPlatform, images, format: "oci", output });
  const blob = (digest: string): string => join(output, "blobs", digest.replace(":", "/"));
  for (const name of await readdir(join(output, "blobs/sha256")))
    assert.equal(
      createHash("sha256")
        .update(await readFile(blob(`sha256:${name}`)))
        .digest("hex"),
      name,
    );
  for (const { architecture, digest } of manifests) {
    const manifest = (await json(blob(digest))) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    const config = (await json(blob(manifest.config.digest))) as Record<string, unknown>;
    const diffIds = await Promise.all(
      manifest.layers.map(async (layer) =>
        createHash("sha256")
          .update(gunzipSync(await readFile(blob(layer.digest))))
          .digest("hex"),
      ),
    );
    assert.deepEqual(config["rootfs"], { type: "layers", diff_ids: diffIds.map((hex) => `sha256:${hex}`) });
    assert.equal(config["architecture"], architecture);
    assert.deepEqual(config["config"], {
      Cmd: ["/bin/bash"],
      Entrypoint: ["/sbin/init"],
      Env: ["PATH=/bin", "LANG=C.UTF-8"],
      Labels: {
        "org.kelpie.alpine.version": "3.19.4",
        "org.kelpie.kernel.release": "6.6.0",
        "org.opencontainers.image.created": "2026-01-15T00:00:00Z",
        "org.opencontainers.image.description": "alpine 3.19.4 for sandboxed code, by Kelpie",
        "org.opencontainers.image.revision": "a3f4d21",
        "org.opencontainers.image.title": "kelpie-base",
        "org.opencontainers.image.version": testVersion,
      },
      StopSignal: "SIGTERM",
      WorkingDir: "/workspace",
    });
  }
});

test("the same image gives the same bytes, as a layout, as its archive and as an archive for docker", async () => {
  await using at = await world();
  const images = [await at.add("amd64")];
  for (const [format, ending] of [
    ["oci", ".tar"],
    ["docker-archive", ".tar"],
  ] as const) {
    const [one, two] = ["one", "two"].map((name) => join(at.directory, `${format}-${name}${ending}`));
    for (const output of [one, two])
      await exportContainer({ platform: realPlatform, images, format, output: output ?? "" });
    assert.ok((await readFile(one ?? "")).equals(await readFile(two ?? "")), format);
  }
});

test("skopeo and umoci take a layout: files, owners, links and attributes are there, and no device is", {
  skip: unlessInstalled("skopeo", "umoci", "tar"),
}, async () => {
  await using at = await world();
  const images = [await at.add("amd64"), await at.add("arm64")];
  const layout = join(at.directory, "layout");
  await exportContainer({ platform: realPlatform, images, format: "oci", output: layout });
  const one = join(at.directory, "one");
  for (const architecture of both) {
    const copy = ["copy", "--quiet", "--override-arch", architecture];
    await run("skopeo", [...copy, `oci:${layout}:${testVersion}`, `oci:${one}:${architecture}`]);
    const { stdout } = await run("skopeo", ["inspect", "--config", `oci:${one}:${architecture}`]);
    assert.equal((JSON.parse(stdout) as { architecture: string }).architecture, architecture);
  }
  const bundle = join(at.directory, "bundle");
  await run("umoci", ["unpack", "--rootless", "--image", `${one}:amd64`, bundle]);
  const rootfs = join(bundle, "rootfs");
  assert.equal(await readFile(join(rootfs, "etc/link"), "utf8"), "hello");
  const [hello, same] = [await stat(join(rootfs, "bin/hello")), await stat(join(rootfs, "bin/same"))];
  assert.deepEqual([hello.ino, hello.mode & 0o7777], [same.ino, 0o4755]);
  assert.deepEqual(await readdir(join(rootfs, "boot")), ["initrd", "vmlinuz"]);
  assert.deepEqual(await readdir(join(rootfs, "dev")), []);
  assert.deepEqual(await readdir(join(rootfs, "run")), ["pipe"]);
  assert.ok(!(await readdir(rootfs)).includes("lost+found"));

  const manifest = await run("skopeo", ["inspect", "--raw", `oci:${one}:amd64`]);
  const [layer] = (JSON.parse(manifest.stdout) as { layers: { digest: string }[] }).layers;
  const path = join(one, "blobs", (layer?.digest ?? "").replace(":", "/"));
  // The star is for the attribute.
  const list = ["--list", "--verbose", "--numeric-owner", "--xattrs", "--file", path];
  assert.match((await run("tar", list)).stdout, /^-rw-r-----\* 1000\/70000 +4 .* etc\/owned$/m);
});

test("skopeo loads an archive for docker, which has the version and latest as its names", {
  skip: unlessInstalled("skopeo"),
}, async () => {
  await using at = await world();
  const images = [await at.add("amd64")];
  const { path, name } = await exportContainer({
    platform: realPlatform,
    images,
    format: "docker-archive",
    output: `${at.directory}/out/`,
  });
  assert.equal(path, join(at.directory, `out/kelpie-base-${testVersion}-amd64.docker.tar`));
  assert.equal(name, `kelpie-base:${testVersion}`);
  for (const tag of ["latest", testVersion]) {
    const copy = [
      "copy",
      "--quiet",
      `docker-archive:${path}:kelpie-base:${tag}`,
      `dir:${at.directory}/${tag}`,
    ];
    await run("skopeo", copy);
  }
});

test("one tag serves docker, which finds a container image, and kelpie, which finds a VM's", {
  skip: unlessInstalled("docker-registry", "skopeo"),
}, async () => {
  await using at = await world();
  await using registry = await startRegistry();
  const images = [await at.add("amd64"), await at.add("arm64")];
  const repository = { host: registry.host, name: "kelpie-base" };
  const request = { platform: realPlatform, images, repository, tags: ["latest"] };
  const first = await pushImages({ ...request, forms: ["vm", "container"] });
  assert.equal((await pushImages({ ...request, forms: ["vm", "container"] })).networkBytes, 0);
  const name = `${registry.host}/kelpie-base:latest`;
  for (const architecture of both) {
    const seen = ["inspect", "--tls-verify=false", "--override-arch", architecture, `docker://${name}`];
    const { stdout } = await run("skopeo", seen);
    const { Architecture: found, Layers } = JSON.parse(stdout) as { Architecture: string; Layers: string[] };
    assert.deepEqual([found, Layers.length], [architecture, 2]);
    const reference = parseReference(name);
    const home = join(at.directory, `pulled-${architecture}`);
    const pulled = await pullImage({ platform: realPlatform, home, reference, architecture });
    const original = images.find((image) => image.architecture === architecture);
    assert.ok(original !== undefined);
    const [left, right] = [imageFile(pulled.image, "rootfs.ext4"), imageFile(original, "rootfs.ext4")];
    assert.ok((await readFile(left)).equals(await readFile(right)));
  }
  // Pushing one form anew leaves the other.
  assert.equal((await pushImages({ ...request, forms: ["container"] })).digest, first.digest);
});

test("a damaged image, a name that means removal and a directory with something in it are refused", async () => {
  await using at = await world();
  const output = join(at.directory, "layout");
  const options = { platform: realPlatform, format: "oci", output } as const;
  const removal = rootTree({ "etc/.wh.x": { ...owner, kind: "fifo", mode: 0o600 } });
  await assert.rejects(exportContainer({ ...options, images: [await at.add("amd64", removal)] }), {
    code: "unsupported",
  });
  const image = await at.add("amd64");
  await mkdir(output);
  await writeFile(join(output, "theirs"), "");
  await assert.rejects(exportContainer({ ...options, images: [image] }), { code: "already-exists" });
  await rm(output, { recursive: true });
  await writeFile(imageFile(image, "initrd"), "damaged");
  await assert.rejects(
    exportContainer({ ...options, images: [image] }),
    (error) => KelpieError.is(error) && error.code === "digest-mismatch",
  );
  assert.deepEqual((await readdir(at.directory)).sort(), ["home"]);
  const two = [image, await at.add("arm64")];
  await assert.rejects(exportContainer({ ...options, images: two, format: "docker-archive" }), {
    code: "usage",
  });
});
