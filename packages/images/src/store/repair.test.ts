// A store after crashes, and a store that cannot be written.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { withTestStore } from "./testing/stores.ts";

const version = "1.0.0-20260115-a3f4d21";
const old = new Date(Date.now() - 10 * 3_600_000).toISOString();

test("repair makes cache.json anew, sweeps leftovers, and leaves images and what is not the store's alone", () =>
  withTestStore(async ({ store, root, add }) => {
    const image = await add(version);
    await store.tag(image, "stable");
    const cache = join(root, "cache.json");
    writeFileSync(cache, "{}");
    mkdirSync(join(root, ".staging.4194305-77.abcdef"));
    mkdirSync(join(root, ".leases", "0.9.0-20260115-a3f4d21"), { recursive: true });
    mkdirSync(join(root, "notes"));
    writeFileSync(join(root, ".blobs", "f".repeat(64)), "nobody's");
    writeFileSync(join(root, ".verified", "e".repeat(64)), "1:2:3:4");
    mkdirSync(join(root, ".leases", version));
    const lease = join(".leases", version, ".0123456789abcdef.4194305-0123456789ab.tmp");
    for (const name of [".tags.json.4194305-0123456789ab.tmp", ".lock.4194305-0123456789ab", lease]) {
      writeFileSync(join(root, name), "");
      execFileSync("touch", ["-d", old, join(root, name)]);
    }
    writeFileSync(join(root, `.cache.json.${process.pid}-0123456789ab.tmp`), "just being written");
    const { images, removed, freedBytes } = await store.repair(false);
    assert.deepEqual(removed, [
      ".lock.4194305-0123456789ab",
      ".staging.4194305-77.abcdef",
      ".tags.json.4194305-0123456789ab.tmp",
      ".leases/0.9.0-20260115-a3f4d21",
      lease,
      `.verified/${"e".repeat(64)}`,
    ]);
    assert.ok(freedBytes > 0);
    assert.deepEqual(images, (await store.list()).images);
    assert.deepEqual(images[0]?.tags, ["stable"]);
    assert.ok(existsSync(cache));
    assert.ok(existsSync(join(root, "notes")));
    assert.ok(existsSync(join(root, `.cache.json.${process.pid}-0123456789ab.tmp`)));
    await store.verifyOnUse(image);
  }));

test("what cannot be used is told, and goes only when that is asked for", () =>
  withTestStore(async ({ store, root, add }) => {
    await add(version);
    mkdirSync(join(root, "1.0.1-20260115-a3f4d21"));
    assert.equal((await store.repair(false)).broken.length, 1);
    const { broken, removed } = await store.repair(true);
    assert.deepEqual(broken, []);
    assert.deepEqual(removed, ["1.0.1-20260115-a3f4d21"]);
  }));

test("what only a broken image had is gone with it", () =>
  withTestStore(async ({ store, root, add }) => {
    const { directory } = await add(version);
    rmSync(join(directory, "metadata.json"));
    assert.equal((await store.repair(false)).freedBytes, 0);
    assert.ok((await store.repair(true)).freedBytes > 0);
    assert.deepEqual(readdirSync(join(root, ".blobs")), []);
  }));

const skip = process.getuid?.() === 0 ? false : "needs root, to become another user and to mount";

/** What a program of `testing/` says when it is run on a store. */
function said(program: string, ...args: readonly string[]): { lines: string[]; stderr: string } {
  const path = join(import.meta.dirname, "testing", program);
  const { stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: "utf8" });
  return { lines: stdout.trim().split("\n"), stderr };
}

function canMount(...all: readonly (readonly string[])[]): boolean {
  return all.every((args) => spawnSync("mount", args).status === 0);
}

test(
  "a person who may only read the store uses its images, and is told why nothing can be added",
  { skip },
  () =>
    withTestStore(async ({ home, root, add }) => {
      await add(version);
      chmodSync(home, 0o755);
      const { lines, stderr } = said("use-store.ts", home, "65534");
      const expected = ["listed 1", "used", "permission-denied on adding", "permission-denied on removing"];
      assert.deepEqual(lines, expected, stderr);
      assert.ok(readdirSync(root).includes(version));
    }),
);

test("a store on a read-only file system is used, and says so when something is added", { skip }, (context) =>
  withTestStore(async ({ home, add }) => {
    await add(version);
    if (!canMount(["--bind", home, home], ["-o", "remount,ro,bind", home])) {
      spawnSync("umount", [home]);
      context.skip("cannot mount here");
      return;
    }
    try {
      const { lines, stderr } = said("use-store.ts", home);
      assert.deepEqual(lines, ["listed 1", "used", "read-only on adding", "read-only on removing"], stderr);
    } finally {
      execFileSync("umount", [home]);
    }
  }),
);

test("a full disk refuses the new image and keeps the old one", { skip }, async (context) => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-full-");
  const { path } = directory;
  if (!canMount(["-t", "tmpfs", "-o", "size=4m", "none", path])) {
    context.skip("cannot mount a tmpfs here");
    return;
  }
  try {
    const { lines, stderr } = said("fill-store.ts", path);
    assert.deepEqual(lines, ["added", "disk-full", "listed 1", "used"], stderr);
    const left = readdirSync(join(path, "images")).filter((name) => name.startsWith(".staging"));
    assert.deepEqual(left, []);
  } finally {
    execFileSync("umount", [path]);
  }
});
