// Release assets: written, judged by tar and sha256sum, and read again, from strangers too.

import { produced } from "@kelpie/formats";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { imageFileNames } from "../../metadata/image-metadata.ts";
import { imageFile, ImageStore, type StoredImage } from "../../store/image-store.ts";
import { addImage, noise, testVersion } from "../testing/images.ts";
import { verifyImage } from "../verify-image.ts";
import { checksumsText, parseChecksums } from "./checksums.ts";
import { exportImage, releaseFileName } from "./export-image.ts";
import { importImage } from "./import-image.ts";

const platform = realPlatform;
const architecture = realPlatform.host.architecture ?? "amd64";
const assetName = `kelpie-base-${testVersion}-${architecture}.tar.gz`;

interface World extends AsyncDisposable {
  readonly directory: string;
  readonly image: StoredImage;
  readonly to: string;
}

async function world(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-release-"));
  const image = await addImage(platform, join(directory, "from"), architecture);
  return {
    directory,
    image,
    to: join(directory, "to"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

const hasCode =
  (code: KelpieErrorCode) =>
  (error: unknown): boolean => {
    assert.ok(KelpieError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };

test("an exported image is a tar archive that tar and sha256sum accept, and that import takes back bit for bit", async () => {
  await using at = await world();
  const { path, sha256, sizeBytes } = await exportImage({ platform, image: at.image, output: at.directory });
  assert.equal(path, join(at.directory, assetName));
  assert.equal((await stat(path)).size, sizeBytes);
  execFileSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: at.directory, stdio: "ignore" });
  const names = execFileSync("tar", ["-tzf", path], { encoding: "utf8" }).trim().split("\n");
  const root = `${testVersion}.${architecture}`;
  assert.deepEqual(names, [
    `${root}/`,
    ...["metadata.json", ...imageFileNames]
      .filter((name) => architecture === "amd64" || name !== "vmlinux")
      .map((name) => `${root}/${name}`),
  ]);

  const image = await importImage({ platform, home: at.to, path, sha256 });
  for (const file of await readdir(at.image.directory))
    assert.ok(
      (await readFile(join(image.directory, file))).equals(await readFile(join(at.image.directory, file))),
      file,
    );
  const { size, blocks } = await stat(imageFile(image, "rootfs.ext4"));
  assert.ok(blocks * 512 < size / 2, "zeros are holes");
});

test("what tar unpacks into a store is an image of that store", async () => {
  await using at = await world();
  const { path } = await exportImage({ platform, image: at.image, output: at.directory });
  await mkdir(join(at.to, "images"), { recursive: true });
  execFileSync("tar", ["-xzf", path, "-C", join(at.to, "images")]);
  const store = new ImageStore(platform, at.to);
  const { images, broken } = await store.list();
  assert.deepEqual(broken, []);
  assert.equal(images.length, 1);
  const [image] = images;
  assert.ok(image !== undefined);
  const verdicts = await verifyImage(platform, store, image);
  assert.ok(verdicts.length >= 3 && verdicts.every(({ kind }) => kind === "intact"));
});

test("an output that ends in a slash is a directory, made where it is missing", async () => {
  await using at = await world();
  const { path } = await exportImage({ platform, image: at.image, output: join(at.directory, "new/dist/") });
  assert.equal(path, join(at.directory, "new/dist", assetName));
  assert.ok((await stat(path)).isFile());
});

test("exporting again gives the same bytes, and the list of checksums keeps its other lines", async () => {
  await using at = await world();
  const other = `${"0".repeat(64)}  another.tar.gz\n`;
  await writeFile(join(at.directory, "SHA256SUMS"), other);
  const first = await exportImage({ platform, image: at.image, output: at.directory });
  const second = await exportImage({ platform, image: at.image, output: join(at.directory, "again.tar.gz") });
  assert.equal(second.sha256, first.sha256);
  const sums = await readFile(join(at.directory, "SHA256SUMS"), "utf8");
  assert.equal(sums, `${first.sha256}  again.tar.gz\n${other}${first.sha256}  ${assetName}\n`);
});

test("an image that is damaged in the store is not exported, and verifying it says which file is", async () => {
  await using at = await world();
  const store = new ImageStore(platform, join(at.directory, "from"));
  const bytes = await readFile(imageFile(at.image, "rootfs.ext4"));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(imageFile(at.image, "rootfs.ext4"), bytes);
  await rm(imageFile(at.image, "initrd"));
  const verdicts = await verifyImage(platform, store, at.image);
  assert.deepEqual(
    verdicts.flatMap((verdict) => (verdict.kind === "damaged" ? [[verdict.file, verdict.reason.code]] : [])),
    [
      ["rootfs.ext4", "digest-mismatch"],
      ["initrd", "not-found"],
    ],
  );
  await assert.rejects(
    exportImage({ platform, image: at.image, output: at.directory }),
    hasCode("digest-mismatch"),
  );
  assert.deepEqual(await readdir(at.directory), ["from"]);
});

/** Unpacks an exported image, changes it by `change`, and packs it again by tar. */
async function repacked(
  at: World,
  change: (root: string) => Promise<unknown>,
  pack = ["."],
): Promise<string> {
  const { path } = await exportImage({ platform, image: at.image, output: at.directory });
  const work = join(at.directory, "work");
  await mkdir(work);
  execFileSync("tar", ["-xzf", path, "-C", work]);
  await change(join(work, `${testVersion}.${architecture}`));
  const out = join(at.directory, "changed.tar.gz");
  execFileSync("tar", ["-czf", out, "-C", work, "--transform", "s,^\\./,,", ...pack]);
  return out;
}

for (const [name, code, change] of [
  ["with another kernel", "digest-mismatch", (root) => writeFile(join(root, "vmlinuz"), noise("x", 50_001))],
  ["with a longer initrd", "digest-mismatch", (root) => writeFile(join(root, "initrd"), noise("x", 8))],
  ["without an initrd", "malformed", (root) => rm(join(root, "initrd"))],
  ["without metadata", "malformed", (root) => rm(join(root, "metadata.json"))],
  ["with metadata that is none", "malformed", (root) => writeFile(join(root, "metadata.json"), "{}")],
  ["with another file", "malformed", (root) => writeFile(join(root, "extra"), "x")],
  [
    "with a link in a file's place",
    "malformed",
    (root) => rm(join(root, "initrd")).then(() => symlink("/etc/passwd", join(root, "initrd"))),
  ],
  [
    "with a second kernel",
    "malformed",
    (root) =>
      mkdir(join(root, "../b")).then(() => copyFile(join(root, "vmlinuz"), join(root, "../b/vmlinuz"))),
  ],
  [
    "with a file further below",
    "malformed",
    (root) => mkdir(join(root, "b")).then(() => rename(join(root, "vmlinuz"), join(root, "b/vmlinuz"))),
  ],
] as const satisfies readonly (readonly [string, KelpieErrorCode, (root: string) => Promise<unknown>])[]) {
  test(`an archive ${name} is refused, and nothing of it stays`, async () => {
    await using at = await world();
    const path = await repacked(at, change);
    await assert.rejects(importImage({ platform, home: at.to, path }), hasCode(code));
    assert.deepEqual(await readdir(join(at.to, "images")), []);
  });
}

test("an archive that is cut short, not the one of its checksum, or of another version is refused", async () => {
  await using at = await world();
  const { path } = await exportImage({ platform, image: at.image, output: at.directory });
  const whole = await readFile(path);
  const cut = join(at.directory, "cut.tar.gz");
  await writeFile(cut, whole.subarray(0, whole.length - 1000));
  const expected = { version: "9.9.9-20260115-a3f4d21", architecture };
  await assert.rejects(importImage({ platform, home: at.to, path: cut }), hasCode("malformed"));
  await assert.rejects(
    importImage({ platform, home: at.to, path, sha256: "0".repeat(64) }),
    hasCode("digest-mismatch"),
  );
  await assert.rejects(importImage({ platform, home: at.to, path, expected }), hasCode("malformed"));
  await assert.rejects(
    importImage({ platform, home: at.to, path: join(at.directory, "absent") }),
    hasCode("not-found"),
  );
  assert.deepEqual((await new ImageStore(platform, at.to).list()).images, []);
});

test("an image whose name would leave the directory has no asset's name", () => {
  for (const name of ["../x", "a/b", "", ".hidden"])
    assert.throws(
      () => releaseFileName({ name, version: testVersion, architecture }),
      hasCode("unsafe-path"),
    );
});

test("checksums are read as sha256sum reads them, and nothing else is", () => {
  const sums = new Map([
    ["b.tar", "2".repeat(64)],
    ["a b", "1".repeat(64)],
  ]);
  assert.deepEqual(parseChecksums(checksumsText(sums), "x"), new Map([...sums].reverse()));
  assert.deepEqual(parseChecksums(`${"1".repeat(64)} *binary\n`, "x"), new Map([["binary", "1".repeat(64)]]));
  for (const text of ["x", `${"1".repeat(63)}  a`, `${"1".repeat(64)}  ../a`, `${"1".repeat(64)} a`])
    assert.throws(() => parseChecksums(text, "x"), hasCode("malformed"));
});

test("what is written to a sink is read as a stream, and either side's end ends the other", async () => {
  const collected: number[] = [];
  for await (const chunk of produced(async (sink) => {
    await sink.write(Uint8Array.of(1, 2));
    await sink.skip((1 << 20) + 1);
    await sink.write(Uint8Array.of(3));
  }))
    collected.push(chunk.length);
  assert.deepEqual(collected, [2, 1 << 20, 1, 1]);

  await assert.rejects(Array.fromAsync(produced(() => Promise.reject(new TypeError("writer")))), {
    message: "writer",
  });
  let isClosed = false;
  const endless = produced(async (sink) => {
    try {
      for (;;) await sink.write(Uint8Array.of(1));
    } finally {
      isClosed = true;
    }
  });
  for await (const _ of endless) break;
  assert.ok(isClosed);
});
