// Who waits for another's fetching sees it, and goes on where it died.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { fetchOnce } from "./fetch-once.ts";
import type { TransferProgress } from "./progress.ts";

const purpose = "fetching the image";

/** A process that fetches, says that it is half through, and goes no further. */
async function startHolder(lockPath: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "testing/hold-fetch.ts"), [lockPath]);
  await once(child, "message");
  return child;
}

test("who waits sees the progress of the process that fetches, and takes over when it dies", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-fetch-");
  const lockPath = join(directory.path, "image.lock");
  const holder = await startHolder(lockPath);
  const seen: TransferProgress[] = [];
  const onProgress = (progress: TransferProgress): void => {
    seen.push(progress);
    if (progress.doneBytes === 50) holder.kill("SIGKILL");
  };
  const result = await fetchOnce({ platform: realPlatform, lockPath, purpose, onProgress }, (report) => {
    report({ doneBytes: 100, totalBytes: 100, networkBytes: 70 });
    return Promise.resolve("fetched by us");
  });
  assert.equal(result, "fetched by us");
  const { by, ...half } = seen.find(({ doneBytes }) => doneBytes === 50) ?? assert.fail("nothing was seen");
  assert.deepEqual(half, { doneBytes: 50, totalBytes: 100, networkBytes: 35 });
  assert.equal(by?.pid, holder.pid);
  assert.equal(by?.purpose, "fetching half");
  assert.deepEqual(seen.at(-1), { doneBytes: 100, totalBytes: 100, networkBytes: 70 });
  assert.deepEqual(readdirSync(directory.path), []);
});

test("who is tired of waiting stops at once, and the process that fetches does not notice", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-fetch-");
  const lockPath = join(directory.path, "image.lock");
  const holder = await startHolder(lockPath);
  const stop = new AbortController();
  const waiting = fetchOnce(
    { platform: realPlatform, lockPath, purpose, signal: stop.signal, onProgress: () => stop.abort() },
    () => assert.fail("somebody else is at it"),
  );
  await assert.rejects(waiting, (error) => KelpieError.is(error) && error.code === "cancelled");
  assert.ok(readdirSync(directory.path).includes("image.lock"));
  const exited = once(holder, "exit");
  holder.kill("SIGKILL");
  await exited;
});

for (const [what, text] of [
  ["half of it", '{"pid":1,"do'],
  ["that of an earlier process", '{"pid":1,"doneBytes":5,"totalBytes":9,"networkBytes":1}'],
  ["none", "[]"],
] as const) {
  test(`progress that is ${what} is none yet`, async () => {
    await using directory = await realPlatform.files.temporaryDirectory("kelpie-fetch-");
    const lockPath = join(directory.path, "image.lock");
    const stop = new AbortController();
    let seen: TransferProgress | undefined;
    await fetchOnce({ platform: realPlatform, lockPath, purpose }, async () => {
      writeFileSync(`${lockPath}.progress`, text);
      const onProgress = (progress: TransferProgress): void => {
        seen = progress;
        stop.abort();
      };
      const signal = stop.signal;
      await fetchOnce({ platform: realPlatform, lockPath, purpose, onProgress, signal }, () =>
        assert.fail("we are at it"),
      ).catch(() => undefined);
    });
    assert.equal(seen?.doneBytes, 0);
    assert.equal(seen.by?.pid, process.pid);
    assert.equal(seen.by.purpose, purpose);
  });
}
