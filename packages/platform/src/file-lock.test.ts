// Locks between processes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "./errors.ts";
import { acquireAnyFileLock, acquireFileLock, sweepLock } from "./file-lock.ts";
import { realPlatform } from "./real/index.ts";

test("one holder at a time, however many ask, and nothing is left", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      await using _lock = await acquireFileLock(realPlatform, path, { purpose: "testing" });
      most = Math.max(most, ++holders);
      await realPlatform.clock.sleep(1);
      holders--;
    }),
  );
  assert.equal(most, 1);
  assert.deepEqual(readdirSync(directory.path), []);
});

test("the lock of a process that died is broken", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  const { pid } = spawnSync("true");
  writeFileSync(path, `${pid} 00 building\n`);
  await using lock = await acquireFileLock(realPlatform, path, { purpose: "testing", timeoutMs: 5000 });
  assert.ok(lock);
});

test("who waits in vain is told who holds the lock and why", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  await using _lock = await acquireFileLock(realPlatform, path, { purpose: "building 1.0.0" });
  await assert.rejects(
    acquireFileLock(realPlatform, path, { purpose: "testing", timeoutMs: 20 }),
    (error) =>
      KelpieError.is(error) &&
      error.code === "in-use" &&
      error.message.includes(`process ${process.pid}, building 1.0.0`),
  );
});

test("waiting for a lock can be cancelled", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  await using _lock = await acquireFileLock(realPlatform, path, { purpose: "holding" });
  const controller = new AbortController();
  const waiting = acquireFileLock(realPlatform, path, { purpose: "waiting", signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, (error) => KelpieError.is(error) && error.code === "cancelled");
});

test("of several locks each asker gets one of its own, and who comes too late waits for any", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const paths = ["a", "b", "c"].map((name) => join(directory.path, name));
  const take = () => acquireAnyFileLock(realPlatform, paths, { purpose: "testing", timeoutMs: 5000 });
  const held = await Promise.all([take(), take(), take()]);
  assert.deepEqual(held.map(({ index }) => index).sort(), [0, 1, 2]);
  const fourth = take();
  await held[1].lock[Symbol.asyncDispose]();
  assert.equal((await fourth).index, held[1].index);
  const late = acquireAnyFileLock(realPlatform, paths, { purpose: "testing", timeoutMs: 20 });
  await assert.rejects(late, (error) => KelpieError.is(error) && error.code === "in-use");
});

test("who has seen the lock of a dead process too late does not touch that of its successor", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  const { pid } = spawnSync("true");
  writeFileSync(path, `${pid} 0123456789abcdef.77 building\n`);
  let successor: AsyncDisposable | undefined;
  const lateFiles: typeof realPlatform.files = {
    ...realPlatform.files,
    readFile: async (name, maxBytes) => {
      const bytes = await realPlatform.files.readFile(name, maxBytes);
      if (name === path) successor ??= await acquireFileLock(realPlatform, path, { purpose: "succeeding" });
      return bytes;
    },
  };
  const late = acquireFileLock({ ...realPlatform, files: lateFiles }, path, {
    purpose: "late",
    timeoutMs: 20,
  });
  await assert.rejects(
    late,
    (error) => KelpieError.is(error) && error.code === "in-use" && error.message.includes("succeeding"),
  );
  assert.deepEqual(readdirSync(directory.path), [".lock"]);
  await successor?.[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(directory.path), []);
});

test("of many who find the lock of a dead process, and that of one who died taking it over, one at a time has it", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  const { pid } = spawnSync("true");
  writeFileSync(path, `${pid} 0123456789abcdef.77 building\n`);
  writeFileSync(`${path}.0123456789abcdef`, `${pid} fedcba9876543210.78 taking over\n`);
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      await using _lock = await acquireFileLock(realPlatform, path, {
        purpose: "testing",
        timeoutMs: 10_000,
      });
      most = Math.max(most, ++holders);
      await realPlatform.clock.sleep(1);
      holders--;
    }),
  );
  assert.equal(most, 1);
  assert.deepEqual(readdirSync(directory.path), []);
});

test("the lock of an earlier process with the same id is taken over", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  writeFileSync(path, `${process.pid} 0123456789abcdef.1 building\n`);
  const isLinux = realPlatform.host.operatingSystem === "linux";
  const taking = acquireFileLock(realPlatform, path, { purpose: "testing", timeoutMs: isLinux ? 5000 : 20 });
  if (isLinux) await (await taking)[Symbol.asyncDispose]();
  else await assert.rejects(taking);
});

test("a sweep takes what dead processes left beside a lock, and nothing of the living", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-lock-");
  const path = join(directory.path, ".lock");
  const { pid } = spawnSync("true");
  const left = [`.lock.${pid}-00aa`, ".lock.0123456789abcdef", `.lock.0123456789abcdef.${pid}-00aa`];
  const alive = [`.lock.${process.pid}-00aa`, `.lock.0123456789abcdef.${process.pid}-00aa`, ".lock.notes"];
  for (const name of [...left, ...alive]) writeFileSync(join(directory.path, name), "");
  await using _lock = await acquireFileLock(realPlatform, path, { purpose: "sweeping" });
  assert.deepEqual((await sweepLock(realPlatform, path)).toSorted(), left.toSorted());
  assert.deepEqual(readdirSync(directory.path).sort(), [".lock", ...alive].sort());
});
