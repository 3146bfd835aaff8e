// Equal files of different images take space once, and are what they were when they are used.

import assert from "node:assert/strict";
import {
  chmodSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { imageFile, type StoredImage } from "./image-store.ts";
import { withTestStore } from "./testing/stores.ts";

const [first, second] = ["1.0.0-20260115-a3f4d21", "1.0.1-20260115-a3f4d21"];

function isDamaged(error: unknown): boolean {
  return KelpieError.is(error) && error.code === "digest-mismatch";
}

/** Other bytes of the same length, by whoever may write what is read-only. */
function damage(image: StoredImage): void {
  const path = imageFile(image, "vmlinuz");
  chmodSync(path, 0o644);
  writeFileSync(path, readFileSync(path, "utf8").toUpperCase());
}

test("equal files of two images are one file on the disk, read-only, and each image has its own others", () =>
  withTestStore(async ({ add }) => {
    const a = await add(first, { vmlinuz: "kernel" });
    const b = await add(second, { vmlinuz: "kernel" });
    const [kernelA, kernelB] = [statSync(imageFile(a, "vmlinuz")), statSync(imageFile(b, "vmlinuz"))];
    assert.equal(kernelA.ino, kernelB.ino);
    assert.equal(kernelA.mode & 0o777, 0o444);
    assert.notEqual(statSync(imageFile(a, "initrd")).ino, statSync(imageFile(b, "initrd")).ino);
  }));

test("what only a removed image had is gone, and what another has stays", () =>
  withTestStore(async ({ store, root, add }) => {
    const a = await add(first, { vmlinuz: "kernel" });
    const b = await add(second, { vmlinuz: "kernel" });
    await store.remove(a);
    assert.equal(readFileSync(imageFile(b, "vmlinuz"), "utf8"), "kernel");
    assert.equal(readdirSync(join(root, ".blobs")).length, 3);
    await store.remove(b);
    assert.deepEqual(readdirSync(join(root, ".blobs")), []);
    assert.deepEqual(readdirSync(join(root, ".verified")), []);
  }));

test("the bill of materials goes with the last image that has it", () =>
  withTestStore(async ({ store, root, add }) => {
    const bill = { "sbom.spdx.json": "the same for both" };
    const [a, b] = [await add(first, bill), await add(second, bill)];
    assert.equal(readdirSync(join(root, ".blobs")).length, 7);
    await store.remove(a);
    assert.equal(readdirSync(join(root, ".blobs")).length, 4);
    await store.remove(b);
    assert.deepEqual(readdirSync(join(root, ".blobs")), []);
  }));

test("a damaged file is not shared with the next image, which is whole", () =>
  withTestStore(async ({ store, add }) => {
    const a = await add(first, { vmlinuz: "kernel" });
    damage(a);
    const b = await add(second, { vmlinuz: "kernel" });
    await store.verifyOnUse(b);
    await assert.rejects(store.verifyOnUse(a), isDamaged);
  }));

test("a file that was changed, cut or touched is hashed again at its next use", () =>
  withTestStore(async ({ store, add }) => {
    const image = await add(first);
    await store.verifyOnUse(image);
    // The content is what it was, so a new time alone is no damage.
    utimesSync(imageFile(image, "vmlinuz"), 1, 1);
    await store.verifyOnUse(image);
    damage(image);
    await assert.rejects(store.verifyOnUse(image), isDamaged);
    truncateSync(imageFile(image, "vmlinuz"), 1);
    await assert.rejects(store.verifyOnUse(image), isDamaged);
  }));

test("adding a damaged image once more mends it", () =>
  withTestStore(async ({ store, add }) => {
    damage(await add(first));
    await store.verifyOnUse(await add(first));
  }));
