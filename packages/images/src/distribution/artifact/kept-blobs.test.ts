// What an interrupted pull has kept, whatever state it was left in.

import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { digestOf } from "../oci/digest.ts";
import { noise } from "../testing/images.ts";
import { KeptBlobs } from "./kept-blobs.ts";

const { files } = realPlatform;
const blobs = ["a", "b", "c"].map((seed, index) => noise(seed, 1000 * (index + 1)));

async function keepAll(path: string): Promise<void> {
  await using kept = await KeptBlobs.open(files, path);
  await Promise.all(blobs.map((bytes) => kept.keep(digestOf(bytes), bytes)));
}

async function found(path: string): Promise<boolean[]> {
  await using kept = await KeptBlobs.open(files, path);
  const results = [];
  for (const bytes of blobs) {
    const content = await kept.find(digestOf(bytes), bytes.length);
    assert.ok(content === undefined || Buffer.compare(content, bytes) === 0);
    results.push(content !== undefined);
  }
  return results;
}

test("blobs that were kept side by side are found by the next pull, which keeps more behind them", async () => {
  await using directory = await files.temporaryDirectory("kelpie-kept-");
  const path = join(directory.path, "kept");
  await keepAll(path);
  assert.deepEqual(await found(path), [true, true, true]);
  const more = noise("d", 500);
  {
    await using kept = await KeptBlobs.open(files, path);
    await kept.keep(digestOf(more), more);
  }
  await using kept = await KeptBlobs.open(files, path);
  assert.ok(Buffer.from(more).equals((await kept.find(digestOf(more), 500)) ?? new Uint8Array()));
  assert.equal(await kept.find(digestOf(more), 501), undefined);
});

const damages: readonly [what: string, damage: (bytes: Buffer) => Buffer, left: boolean[]][] = [
  ["whose end is missing", (bytes) => bytes.subarray(0, -1), [true, true, false]],
  ["with a changed byte", (bytes) => (bytes.fill(0, 1100, 1101), bytes), [true, false, true]],
  ["with a gap", (bytes) => bytes.fill(0, 1036, 1036 + 2036), [true, false, false]],
  ["with an absurd length", (bytes) => bytes.fill(0xff, 32, 36), [false, false, false]],
  ["that is nothing of the kind", () => Buffer.from("something else"), [false, false, false]],
];

for (const [what, damage, left] of damages) {
  test(`a file ${what} gives what is whole in it, and is gone on with`, async () => {
    await using directory = await files.temporaryDirectory("kelpie-kept-");
    const path = join(directory.path, "kept");
    await keepAll(path);
    await writeFile(path, damage(await readFile(path)));
    assert.deepEqual(await found(path), left);
    await keepAll(path);
    assert.deepEqual(await found(path), [true, true, true]);
    await appendFile(path, "behind it");
    assert.deepEqual(await found(path), [true, true, true]);
  });
}

test("where nothing can be kept, nothing is found and nothing fails", async () => {
  await using directory = await files.temporaryDirectory("kelpie-kept-");
  const path = join(directory.path, "kept");
  await mkdir(path);
  await keepAll(path);
  assert.deepEqual(await found(path), [false, false, false]);
});
