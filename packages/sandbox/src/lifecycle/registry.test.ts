// Sandboxes that live on, by their records: names, states after each kind of crash, and what is cleaned up.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { identifyProcess, KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import fc from "fast-check";
import { createKeptDirectory, type KeptDirectory, type SandboxDraft } from "./kept-directory.ts";
import { collectGarbage, findEntry, findSandbox, listSandboxes, removeSandbox } from "./registry.ts";
import { friendlyName, validName } from "./sandbox-name.ts";
import { readRecord, type SandboxRecord, writeRecord } from "./sandbox-record.ts";

const { files, random } = realPlatform;
const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;
const draft: SandboxDraft = {
  image: { name: "base", version: "1.0.0-20260115-a3f4d21", architecture: "amd64", directory: "/i" },
  memoryMiB: 512,
  cpus: 1,
  agentPorts: 16,
  env: { A: "b" },
  vmm: "qemu",
  monitorDescription: "played",
  removeAtEnd: false,
};

async function withHome(use: (home: string) => Promise<void>): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-registry-");
  await use(home.path);
}

/** Rewrites a sandbox's record. */
async function change(kept: KeptDirectory, changed: Partial<SandboxRecord>): Promise<void> {
  await writeRecord(realPlatform, kept.path, { ...kept.record, ...changed });
}

async function put(path: string, text: string): Promise<void> {
  await using file = await files.open(path, "replace");
  await file.write(Buffer.from(text), 0);
}

const deadPid = (): number => spawnSync("true").pid;
const ready = (pid: number, startTime = "1"): SandboxRecord["phase"] => ({
  kind: "ready",
  keeper: { pid, startTime },
  monitor: { pid, startTime },
});

test("a directory is its owner's alone, has a friendly name, and goes if it is not confirmed", async () => {
  await withHome(async (home) => {
    {
      await using kept = await createKeptDirectory(realPlatform, home, draft);
      assert.equal((await files.stat(kept.path))?.mode, 0o700);
      assert.match(kept.record.name, /^[a-z]+-[a-z]+$/);
      assert.deepEqual(await readRecord(realPlatform, kept.path), kept.record);
      assert.deepEqual(
        (await listSandboxes(realPlatform, home)).map(({ state }) => state.kind),
        ["creating"],
      );
    }
    assert.deepEqual(await listSandboxes(realPlatform, home), []);
  });
});

test("of many that ask for one name at once, one gets it", async () => {
  await withHome(async (home) => {
    const asked = await Promise.allSettled(
      Array.from({ length: 8 }, () => createKeptDirectory(realPlatform, home, { ...draft, name: "one" })),
    );
    assert.equal(asked.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of asked) {
      if (result.status === "rejected") assert.ok(fails("already-exists")(result.reason));
    }
  });
});

test("a sandbox is found by its name, its id and the beginning of its id, and by nothing else", async () => {
  await withHome(async (home) => {
    await using kept = await createKeptDirectory(realPlatform, home, { ...draft, name: "one" });
    for (const reference of ["one", kept.id, kept.id.slice(0, 4)]) {
      assert.equal((await findSandbox(realPlatform, home, reference)).id, kept.id);
    }
    for (const reference of ["on", "", kept.id.slice(0, 1), "../one"]) {
      await assert.rejects(findSandbox(realPlatform, home, reference), fails("not-found"));
    }
  });
});

const ends: readonly (readonly [string, Readonly<Record<string, string>>, string, RegExp])[] = [
  [
    "powered itself off",
    { ended: "0\n", shutdown: '{"data":{"reason":"guest-shutdown"}}' },
    "stopped",
    /powered off/,
  ],
  [
    "reset itself",
    { ended: "0\n", shutdown: '{"data":{"reason":"guest-reset"}}' },
    "stopped",
    /reset itself/,
  ],
  [
    "panicked",
    {
      ended: "0\n",
      shutdown: '{"data":{"reason":"guest-reset"}}',
      "console.log": "[ 1.0] Kernel panic - not syncing: x\n",
    },
    "failed",
    /panicked/,
  ],
  ["was stopped", { ended: "137\n", reason: "killed\n" }, "stopped", /its owner/],
  ["outlived its time", { ended: "137\n", reason: "ttl\n" }, "stopped", /time to live/],
  ["was idle", { ended: "137\n", reason: "idle\n" }, "stopped", /idle timeout/],
  ["lost its QEMU to a signal", { ended: "139\n" }, "failed", /SIGSEGV/],
  [
    "has a damaged record of its end",
    { ended: "what?", shutdown: "[]", reason: "\u0000" },
    "failed",
    /exit code 255/,
  ],
  ["lost its keeper", {}, "lost", /keeper was killed/],
];
for (const [what, left, kind, reason] of ends) {
  test(`a sandbox that ${what} is ${kind}`, async () => {
    await withHome(async (home) => {
      const kept = await createKeptDirectory(realPlatform, home, draft);
      await change(kept, { phase: ready(deadPid()) });
      for (const [name, text] of Object.entries(left)) await put(`${kept.path}/${name}`, text);
      const { state } = await findEntry(realPlatform, home, kept.id);
      assert.equal(state.kind, kind);
      assert.match("reason" in state ? state.reason : "", reason);
    });
  });
}

test("a keeper's process id that another process has by now is no keeper", async () => {
  await withHome(async (home) => {
    const kept = await createKeptDirectory(realPlatform, home, draft);
    await change(kept, { phase: ready(process.pid, "1") });
    assert.equal((await findEntry(realPlatform, home, kept.id)).state.kind, "lost");
  });
});

test("a creator that was killed leaves a failed sandbox, and a host that was started again lost ones", async () => {
  await withHome(async (home) => {
    const kept = await createKeptDirectory(realPlatform, home, draft);
    await change(kept, { creator: { pid: deadPid(), startTime: "1" } });
    assert.equal((await findEntry(realPlatform, home, kept.id)).state.kind, "failed");
    await change(kept, { hostBoot: "another", phase: ready(process.pid) });
    assert.deepEqual((await findEntry(realPlatform, home, kept.id)).state, {
      kind: "lost",
      reason: "the host was started again",
    });
  });
});

test("a damaged record is told, cannot be used, and can be removed", async () => {
  await withHome(async (home) => {
    const kept = await createKeptDirectory(realPlatform, home, draft);
    await put(`${kept.path}/state.json`, '{"schema": 1, "id": 5}');
    const [entry] = await listSandboxes(realPlatform, home);
    assert.equal(entry?.state.kind, "failed");
    await assert.rejects(findSandbox(realPlatform, home, kept.id), fails("malformed"));
    await removeSandbox(realPlatform, await findEntry(realPlatform, home, kept.id));
    assert.deepEqual(await listSandboxes(realPlatform, home), []);
  });
});

test("no record that is not ours is taken for one", async () => {
  await using home = await files.temporaryDirectory("kelpie-registry-");
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
      await put(`${home.path}/state.json`, text);
      await assert.rejects(readRecord(realPlatform, home.path), fails("malformed"));
    }),
    { numRuns: 50 },
  );
});

test("garbage is what no longer lives: a dry run says so, and the real one leaves the living", async () => {
  await withHome(async (home) => {
    const dead = await createKeptDirectory(realPlatform, home, { ...draft, name: "dead" });
    await change(dead, { phase: ready(deadPid()) });
    const living = await createKeptDirectory(realPlatform, home, { ...draft, name: "living" });
    const self = await identifyProcess(files, process.pid);
    await change(living, { phase: { kind: "ready", keeper: self, monitor: self } });
    const over = await createKeptDirectory(realPlatform, home, { ...draft, name: "over", ttlMs: 1 });
    await change(over, { createdMs: 1, phase: { kind: "ready", keeper: self, monitor: self } });
    const killed = `${home}/sandboxes/0123abcd`;
    await files.makeDirectory(killed);
    await put(`${killed}/owner`, `${deadPid()} 1`);

    const wouldGo = await collectGarbage(realPlatform, home, true);
    assert.deepEqual(wouldGo.map(({ name, id }) => name ?? id).sort(), ["0123abcd", "dead", "over"]);
    assert.equal((await listSandboxes(realPlatform, home)).length, 3);
    await collectGarbage(realPlatform, home, false);
    assert.deepEqual(
      (await listSandboxes(realPlatform, home)).map(({ record }) => record?.name),
      ["living"],
    );
    assert.equal(await files.stat(killed), undefined);
  });
});

test("names are what people and host names can bear", () => {
  for (const name of ["a", "brave-kelpie", "a.b_c-1", "0".repeat(63)]) assert.equal(validName(name), name);
  for (const name of ["", "-a", "a-", "A", "a b", "a/b", "..", ".", "a:b", "0".repeat(64), "ä"]) {
    assert.throws(() => validName(name), fails("invalid-input"), name);
  }
  const taken = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const name = friendlyName(random, taken);
    assert.equal(validName(name), name);
    assert.ok(!taken.has(name));
    taken.add(name);
  }
});
