// Run directories: private, gone with their owner, and swept up after one that was killed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { createRunDirectory, sweepRunDirectories } from "./run-directory.ts";

const { files } = realPlatform;

test("a run directory is its owner's alone and goes with it", async () => {
  await using home = await files.temporaryDirectory("kelpie-run-");
  {
    await using directory = await createRunDirectory(realPlatform, home.path);
    assert.match(directory.path, /\/sandboxes\/[0-9a-f]{8}$/);
    assert.equal((await files.stat(directory.path))?.mode, 0o700);
  }
  assert.deepEqual(await files.list(`${home.path}/sandboxes`), []);
});

test("a sweep leaves the directory of an owner that runs", async () => {
  await using home = await files.temporaryDirectory("kelpie-run-");
  await using directory = await createRunDirectory(realPlatform, home.path);
  assert.deepEqual(await sweepRunDirectories(realPlatform, home.path), []);
  assert.ok((await files.stat(directory.path)) !== undefined);
});

test("the next start sweeps up after an owner that is gone, and after one whose id is another's now", async () => {
  await using home = await files.temporaryDirectory("kelpie-run-");
  const { pid } = spawnSync("true");
  await abandon(home.path, "aaaaaaaa", `${pid} 1`);
  await abandon(home.path, "bbbbbbbb", `${process.pid} 1`);
  await using directory = await createRunDirectory(realPlatform, home.path);
  assert.deepEqual(await files.list(`${home.path}/sandboxes`), [directory.id]);
});

test("a directory without a record is left for a minute, because another process may be making it", async () => {
  await using home = await files.temporaryDirectory("kelpie-run-");
  await files.makeDirectory(`${home.path}/sandboxes/cccccccc`);
  assert.deepEqual(await sweepRunDirectories(realPlatform, home.path), []);
  await files.setModifiedTime(`${home.path}/sandboxes/cccccccc`, Date.now() - 61_000);
  assert.deepEqual(await sweepRunDirectories(realPlatform, home.path), ["cccccccc"]);
});

async function abandon(home: string, id: string, owner: string): Promise<void> {
  await files.makeDirectory(`${home}/sandboxes/${id}`);
  await using file = await files.open(`${home}/sandboxes/${id}/owner`, "create");
  await file.write(Buffer.from(owner), 0);
}
