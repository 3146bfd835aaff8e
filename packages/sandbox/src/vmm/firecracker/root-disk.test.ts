// Copies of disks: the same bytes, as long as was asked, with holes where there is nothing.

import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { test } from "node:test";
import fc from "fast-check";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { copyDisk } from "./root-disk.ts";

const { files } = realPlatform;
const never = new AbortController().signal;

test("whatever a disk has is in its copy, and the rest is zero", async () => {
  await using home = await files.temporaryDirectory("kelpie-disk-");
  let round = 0;
  const pieces = fc.array(fc.tuple(fc.nat(2_200_000), fc.uint8Array({ minLength: 1, maxLength: 9000 })), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(100_000), async (parts, more) => {
      const length = Math.max(0, ...parts.map(([at, bytes]) => at + bytes.length));
      const disk = Buffer.alloc(length);
      for (const [at, bytes] of parts) disk.set(bytes, at);
      const from = `${home.path}/from`;
      const to = `${home.path}/to-${round++}`;
      await writeFile(from, disk);
      await copyDisk(realPlatform, from, to, length + more, never);
      assert.ok((await readFile(to)).equals(Buffer.concat([disk, Buffer.alloc(more)])));
    }),
    { numRuns: 60 },
  );
});

test("a disk of holes stays one", async () => {
  await using home = await files.temporaryDirectory("kelpie-disk-");
  {
    await using file = await files.open(`${home.path}/from`, "create");
    await file.truncate(64 << 20);
    await file.write(Buffer.from("here"), 33 << 20);
  }
  await copyDisk(realPlatform, `${home.path}/from`, `${home.path}/to`, 64 << 20, never);
  const { size, blocks } = await stat(`${home.path}/to`);
  assert.equal(size, 64 << 20);
  assert.ok(blocks * 512 <= 64 << 10, `${blocks} blocks`);
});

test("a copy that is given up ends", async () => {
  await using home = await files.temporaryDirectory("kelpie-disk-");
  await writeFile(`${home.path}/from`, Buffer.alloc(10));
  const copying = copyDisk(realPlatform, `${home.path}/from`, `${home.path}/to`, 10, AbortSignal.abort());
  await assert.rejects(copying, (error) => KelpieError.is(error) && error.code === "cancelled");
});
