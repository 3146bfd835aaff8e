// What of the cache goes, and what stays whatever its age.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { acquireFileLock, realPlatform } from "@kelpie/platform";
import { planCachePrune, pruneCache } from "./prune-cache.ts";
import { sweepDownloads } from "./sweep-downloads.ts";

const dayMs = 86_400_000;

async function withCache(
  body: (home: string, put: (path: string, ageDays: number) => void) => Promise<void>,
): Promise<void> {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-cache-");
  const home = directory.path;
  await body(home, (path, ageDays) => {
    const isDirectory = path.endsWith("/");
    const file = join(home, "cache", path, isDirectory ? "content" : "");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "x".repeat(5000));
    const time = Date.now() / 1000 - ageDays * 86_400;
    utimesSync(join(home, "cache", path), time, time);
  });
}

test("old packages, programs and beginnings of downloads go, and younger ones, locks and tools stay", () =>
  withCache(async (home, put) => {
    const old = [
      "base/a.tar",
      "debian/archives/a.deb",
      "guest/aa/",
      "pulls/1.0.0.amd64/",
      "releases/.a.tar.gz.partial",
    ];
    const staying = ["debian/archives/b.deb", "guest/bb/", "pulls/1.0.1.amd64/"];
    for (const path of old) put(path, 31);
    for (const path of staying) put(path, 29);
    for (const path of ["guest/.amd64.lock", "node/bin/", "toolchain/debian-amd64/"]) put(path, 400);
    const plan = await planCachePrune(realPlatform, home, 30 * dayMs);
    assert.deepEqual(
      plan.map(({ path }) => join(home, path)),
      old.map((path) => join(home, "cache", path).replace(/\/$/, "")).toSorted(),
    );
    assert.ok(plan.every(({ sizeBytes }) => sizeBytes >= 5000));
    await pruneCache(realPlatform, home, plan, 30 * dayMs);
    for (const path of old) assert.ok(!existsSync(join(home, "cache", path)), path);
    for (const path of [...staying, "guest/.amd64.lock", "node/bin/", "toolchain/debian-amd64/"])
      assert.ok(existsSync(join(home, "cache", path)), path);
  }));

test("what a prune that was killed has set aside goes with the next, and a cache that is not there is no error", () =>
  withCache(async (home, put) => {
    await pruneCache(realPlatform, home, [], dayMs);
    assert.deepEqual(await planCachePrune(realPlatform, home, dayMs), []);
    put(".pruned.0123456789ab/", 0);
    await pruneCache(realPlatform, home, [{ path: "cache/base/gone.tar", sizeBytes: 1 }], dayMs);
    assert.deepEqual(readdirSync(join(home, "cache")), []);
  }));

test("a download that a process is at stays, whatever its age, and what dead ones left beside it goes", () =>
  withCache(async (home, put) => {
    put("pulls/1.0.0.amd64/", 400);
    put("pulls/2.0.0.amd64/", 400);
    put("pulls/2.0.0.amd64.lock.progress", 0);
    const dead = join(home, "cache/pulls/3.0.0.amd64.lock");
    writeFileSync(dead, "4194305 0123456789abcdef.77 pulling\n");
    const lockPath = join(home, "cache/pulls/1.0.0.amd64.lock");
    await using _lock = await acquireFileLock(realPlatform, lockPath, { purpose: "pulling" });
    const { removed, freedBytes } = await sweepDownloads(realPlatform, home, dayMs);
    const names = ["2.0.0.amd64", "2.0.0.amd64.lock.progress", "3.0.0.amd64.lock"];
    assert.deepEqual(
      removed.toSorted(),
      names.map((name) => join("cache/pulls", name)),
    );
    assert.ok(freedBytes >= 5000);
    assert.deepEqual(readdirSync(join(home, "cache/pulls")).sort(), ["1.0.0.amd64", "1.0.0.amd64.lock"]);
  }));
