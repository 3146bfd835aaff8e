// The image store on a real file system.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Architecture, KelpieError, realPlatform, type TemporaryDirectory } from "@kelpie/platform";
import { imageFiles, type ImageMetadata } from "../metadata/image-metadata.ts";
import { formatImageVersion } from "../version/image-version.ts";
import { imageFile, ImageStore } from "./image-store.ts";
import { findImage } from "./reference.ts";

const hostArchitecture = realPlatform.host.architecture ?? "amd64";
const otherArchitecture: Architecture = hostArchitecture === "amd64" ? "arm64" : "amd64";
const content = new TextEncoder().encode("content");
const sha256 = createHash("sha256").update(content).digest("hex");

function metadata(
  version: string,
  architecture: Architecture = hostArchitecture,
  name = "kelpie-base",
): ImageMetadata {
  const file = { sizeBytes: content.length, sha256 };
  return {
    schemaVersion: 1,
    name,
    version,
    architecture,
    buildDate: "2026-01-15T00:00:00Z",
    gitSha: "a3f4d21",
    distribution: { id: "alpine", version: "3.19.4" },
    kernel: { source: "debian", release: "6.1.0", packageVersion: "6.1.192-2", format: "bzImage" },
    guest: { protocol: 1, agentSha256: sha256, initSha256: sha256 },
    files: { "rootfs.ext4": file, vmlinuz: file, initrd: file },
    packages: [],
    planSha256: sha256,
  };
}

function fillWith(description: ImageMetadata): (directory: string) => Promise<ImageMetadata> {
  return (directory) => {
    for (const { name } of imageFiles(description)) writeFileSync(join(directory, name), content);
    return Promise.resolve(description);
  };
}

/** What a directory has beside the store's own rooms. */
function seen(root: string): string[] {
  return readdirSync(root)
    .filter((name) => ![".blobs", ".verified", ".leases"].includes(name))
    .sort();
}

async function withStore(
  body: (store: ImageStore, home: TemporaryDirectory) => Promise<void>,
): Promise<void> {
  await using home = await realPlatform.files.temporaryDirectory("kelpie-store-");
  await body(new ImageStore(realPlatform, home.path), home);
}

test("a store that does not exist is empty", () =>
  withStore(async (store) => assert.deepEqual(await store.list(), { images: [], broken: [] })));

test("an added image has the mission's layout and is listed", () =>
  withStore(async (store, home) => {
    const image = await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21")));
    assert.equal(image.directory, join(home.path, "images", "1.0.0-20260115-a3f4d21"));
    assert.deepEqual(readdirSync(image.directory).sort(), [
      "initrd",
      "metadata.json",
      "rootfs.ext4",
      "vmlinuz",
    ]);
    assert.equal(readFileSync(imageFile(image, "vmlinuz"), "utf8"), "content");
    assert.deepEqual((await store.list()).images, [image]);
    assert.deepEqual(await store.metadata(image), metadata("1.0.0-20260115-a3f4d21"));
    assert.deepEqual(seen(join(home.path, "images")), ["1.0.0-20260115-a3f4d21", "cache.json"]);
  }));

test("an image for another architecture carries it in its directory's name", () =>
  withStore(async (store) => {
    const image = await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21", otherArchitecture)));
    assert.ok(image.directory.endsWith(`/1.0.0-20260115-a3f4d21.${otherArchitecture}`));
    assert.equal(image.architecture, otherArchitecture);
  }));

test("nothing is left or seen when filling fails", () =>
  withStore(async (store, home) => {
    await assert.rejects(
      store.add((directory) => {
        writeFileSync(join(directory, "rootfs.ext4"), "half");
        return Promise.reject(new KelpieError("disk-full", "No space"));
      }),
      (error) => KelpieError.is(error) && error.code === "disk-full",
    );
    assert.deepEqual(readdirSync(join(home.path, "images")), []);
  }));

test("an image whose files are not as long as its metadata says is refused", () =>
  withStore(async (store, home) => {
    const short = metadata("1.0.0-20260115-a3f4d21");
    const wrong = { ...short, files: { ...short.files, initrd: { sizeBytes: 1, sha256 } } };
    await assert.rejects(
      store.add(fillWith(wrong)),
      (error) => KelpieError.is(error) && error.code === "internal",
    );
    assert.deepEqual(readdirSync(join(home.path, "images")), []);
  }));

test("adding a version again takes the place of the old one", () =>
  withStore(async (store) => {
    await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21", hostArchitecture, "old")));
    await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21", hostArchitecture, "new")));
    const { images } = await store.list();
    assert.deepEqual(
      images.map((image) => image.name),
      ["new"],
    );
  }));

test("sixteen images added at once are all there", () =>
  withStore(async (store, home) => {
    const versions = Array.from({ length: 16 }, (_, index) => `1.0.${index % 8}-20260115-a3f4d21`);
    await Promise.all(versions.map((version) => store.add(fillWith(metadata(version)))));
    const { images, broken } = await store.list();
    assert.equal(images.length, 8);
    assert.deepEqual(broken, []);
    assert.deepEqual(
      seen(join(home.path, "images")).filter((name) => name.startsWith(".")),
      [],
    );
  }));

test("what a dead process left is swept, and an image set aside by it returns", () =>
  withStore(async (store, home) => {
    const image = await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21")));
    const root = join(home.path, "images");
    mkdirSync(join(root, ".staging.4194305-77.abcdef"));
    await realPlatform.files.rename(image.directory, join(root, ".replaced.1.0.0-20260115-a3f4d21"));
    await store.add(fillWith(metadata("1.0.1-20260115-a3f4d21")));
    assert.deepEqual(seen(root), ["1.0.0-20260115-a3f4d21", "1.0.1-20260115-a3f4d21", "cache.json"]);
  }));

test("looking is enough to sweep what a dead process left, its lock too, and finds the image set aside by it", () =>
  withStore(async (store, home) => {
    const image = await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21")));
    const root = join(home.path, "images");
    mkdirSync(join(root, ".staging.4194305-77.abcdef"));
    writeFileSync(join(root, ".cache.json.4194305-0123456789ab.tmp"), "{");
    writeFileSync(join(root, ".lock"), "4194305 0123456789abcdef.77 installing 1.0.0\n");
    await realPlatform.files.rename(image.directory, join(root, ".replaced.1.0.0-20260115-a3f4d21"));
    assert.deepEqual((await store.list()).images, [image]);
    assert.deepEqual(readdirSync(root).sort(), [
      ".blobs",
      ".verified",
      "1.0.0-20260115-a3f4d21",
      "cache.json",
    ]);
  }));

test("cache.json is rebuilt when it is lost, cut short, or tells of an older metadata.json", () =>
  withStore(async (store, home) => {
    const image = await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21")));
    const cache = join(home.path, "images", "cache.json");
    const before = readFileSync(cache, "utf8");
    for (const damaged of ["", before.slice(0, 40), "[]"]) {
      writeFileSync(cache, damaged);
      assert.deepEqual((await store.list()).images, [image]);
      assert.equal(readFileSync(cache, "utf8"), before);
    }
    const path = join(image.directory, "metadata.json");
    writeFileSync(path, readFileSync(path, "utf8").replace("kelpie-base", "kelpie-else"));
    utimesSync(path, 1, 1);
    assert.deepEqual(
      (await store.list()).images.map(({ name }) => name),
      ["kelpie-else"],
    );
  }));

test("cache.json is read, and not written again while it holds", () =>
  withStore(async (store, home) => {
    await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21")));
    const cache = join(home.path, "images", "cache.json");
    const before = readFileSync(cache, "utf8");
    // Another name in it is believed, for the metadata.json behind it has not changed.
    writeFileSync(cache, before.replace("kelpie-base", "kelpie-fast"));
    utimesSync(cache, 1, 1);
    assert.deepEqual(
      (await store.list()).images.map(({ name }) => name),
      ["kelpie-fast"],
    );
    assert.equal(statSync(cache).mtimeMs, 1000);
  }));

test("a directory with an image's name and no image in it is reported, and others are none of the store's business", () =>
  withStore(async (store, home) => {
    mkdirSync(join(home.path, "images", "1.0.0-20260115-a3f4d21"), { recursive: true });
    mkdirSync(join(home.path, "images", "notes"));
    const { images, broken } = await store.list();
    assert.deepEqual(images, []);
    assert.deepEqual(broken, [{ directory: "1.0.0-20260115-a3f4d21", reason: "metadata.json is missing" }]);
  }));

test("a removed image is gone from the listing and from the disk", () =>
  withStore(async (store, home) => {
    await store.remove(await store.add(fillWith(metadata("1.0.0-20260115-a3f4d21"))));
    assert.deepEqual(await store.list(), { images: [], broken: [] });
    assert.deepEqual(seen(join(home.path, "images")), ["cache.json"]);
  }));

test("images are found by version, prefix, MAJOR.MINOR, name and latest", () =>
  withStore(async (store) => {
    for (const [version, name] of [
      ["1.0.0-20260115-a3f4d21", "kelpie-base"],
      ["1.0.1-20260116-b3f4d21", "kelpie-base"],
      ["1.1.0-debian-20260116-b3f4d21", "kelpie-debian"],
    ] as const) {
      await store.add(fillWith(metadata(version, hostArchitecture, name)));
    }
    const { images } = await store.list();
    const found = (reference: string): string =>
      formatImageVersion(findImage(images, reference, hostArchitecture).version);
    assert.equal(found("1.0.0-20260115-a3f4d21"), "1.0.0-20260115-a3f4d21");
    assert.equal(found("1.0.0"), "1.0.0-20260115-a3f4d21");
    assert.equal(found("1.0"), "1.0.1-20260116-b3f4d21");
    assert.equal(found("latest"), "1.1.0-debian-20260116-b3f4d21");
    assert.equal(found("kelpie-base"), "1.0.1-20260116-b3f4d21");
    assert.equal(found("kelpie-base:latest"), "1.0.1-20260116-b3f4d21");
    assert.throws(
      () => found("1"),
      (error) => KelpieError.is(error) && error.code === "usage",
    );
    for (const missing of ["2.0", "nothing", "", "kelpie-base:1.1"]) {
      assert.throws(
        () => found(missing),
        (error) => KelpieError.is(error) && error.code === "not-found",
        missing,
      );
    }
    assert.throws(
      () => findImage(images, "latest", otherArchitecture),
      (error) => KelpieError.is(error) && error.code === "not-found",
    );
  }));
