// An image in use stays as it is.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import { withTestStore } from "./testing/stores.ts";

const version = "1.0.0-20260115-a3f4d21";

function fails(code: KelpieErrorCode, text = ""): (error: unknown) => boolean {
  return (error) => KelpieError.is(error) && error.code === code && error.message.includes(text);
}

test("an image that somebody uses cannot be removed, and afterwards it can", () =>
  withTestStore(async ({ store, add }) => {
    const image = await add(version);
    {
      await using _lease = await store.lease(image, { holder: "sandbox brave-otter" });
      await assert.rejects(store.remove(image), fails("in-use", "sandbox brave-otter"));
      assert.equal((await store.list()).images.length, 1);
    }
    await store.remove(image);
    assert.deepEqual((await store.list()).images, []);
  }));

test("an image in use is not replaced by another of its version, but may be by the same", () =>
  withTestStore(async ({ store, add }) => {
    const image = await add(version);
    await using _lease = await store.lease(image, { holder: "a test" });
    await assert.rejects(add(version, { vmlinuz: "another kernel" }), fails("in-use", "replace"));
    await add(version);
    await store.verifyOnUse(image);
  }));

test("a lease ends with its process", () =>
  withTestStore(async ({ store, add }) => {
    const image = await add(version);
    const child = spawn("sleep", ["60"]);
    const exited = once(child, "exit");
    assert.ok(child.pid !== undefined);
    await store.lease(image, { holder: "a process", pid: child.pid });
    await assert.rejects(store.remove(image), fails("in-use", "a process"));
    child.kill("SIGKILL");
    await exited;
    await store.remove(image);
  }));

test("a lease for a directory ends with it, whatever becomes of the process that took it", () =>
  withTestStore(async ({ store, home, add }) => {
    const image = await add(version);
    const sandbox = join(home, "sandboxes", "1");
    mkdirSync(sandbox, { recursive: true });
    await store.lease(image, { holder: "sandbox 1", whileExists: sandbox });
    await assert.rejects(store.remove(image), fails("in-use", "sandbox 1"));
    rmSync(sandbox, { recursive: true });
    await store.remove(image);
  }));

test("leases that have ended do not pile up where nobody removes an image", () =>
  withTestStore(async ({ store, root, home, add }) => {
    const image = await add(version);
    const held = Array.from({ length: 12 }, (_, index) => join(home, "sandboxes", `${index}`));
    for (const sandbox of held) {
      mkdirSync(sandbox, { recursive: true });
      await store.lease(image, { holder: sandbox, whileExists: sandbox });
    }
    const most: number[] = [];
    for (let count = 0; count < 60; count++) {
      await store.lease(image, { holder: "one that is gone", whileExists: join(home, "gone") });
      most.push(readdirSync(join(root, ".leases", version)).length);
    }
    assert.ok(Math.max(...most) < 30, `${Math.max(...most)} at most`);
    const [candidate] = await store.pruneCandidates();
    assert.deepEqual([...(candidate?.holders ?? [])].sort(), [...held].sort());
  }));

test("looking for what can be pruned leaves a lease alone that is just being written", () =>
  withTestStore(async ({ store, root, add }) => {
    await add(version);
    const leases = join(root, ".leases", version);
    mkdirSync(leases, { recursive: true });
    writeFileSync(join(leases, ".0123456789abcdef.4194305-0123456789ab.tmp"), "");
    assert.deepEqual((await store.pruneCandidates())[0]?.holders, []);
    assert.equal(readdirSync(leases).length, 1);
  }));

test("an image that has been removed cannot be leased", () =>
  withTestStore(async ({ store, add }) => {
    const image = await add(version);
    await store.remove(image);
    await assert.rejects(store.lease(image, { holder: "late" }), fails("not-found"));
  }));
