// Machines that outlive the process that started them: how each ends, what is left, and that nothing runs on.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { isSameProcessAlive, KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import {
  openTinyQemu,
  skipWithoutTinyQemu,
  type TinyGuestEnd,
  writeTinyImage,
} from "../../testing/tiny-guest.ts";
import { keptProcess, keptStop } from "./kept-files.ts";
import type { AttachedMachine, KeepOptions, VirtualMachine, VmSpec } from "../vmm.ts";
import { qemuBackend } from "../qemu/backend.ts";

const { files, processes } = realPlatform;
const skip = await skipWithoutTinyQemu();
const never = new AbortController().signal;
const keepDefaults: KeepOptions = { startWithinSeconds: 30, removeAtEnd: false };
const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;

async function specFor(home: string, end: TinyGuestEnd, keep: Partial<KeepOptions>): Promise<VmSpec> {
  const runDirectory = `${home}/run`;
  await files.makeDirectory(runDirectory);
  const image = await writeTinyImage(home, end);
  const shape = { memoryMiB: 64, cpus: 1, agentPorts: 2, hostname: "tiny" };
  return { image, ...shape, runDirectory, keep: { ...keepDefaults, ...keep } };
}

/** Starts a machine, lets it go, and hands it over as another process would find it. Both are gone afterwards. */
async function withKept(
  end: TinyGuestEnd,
  keep: Partial<KeepOptions>,
  use: (machine: AttachedMachine, runDirectory: string) => Promise<void>,
): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-kept-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, end, keep);
  {
    await using started = await vmm.start(spec, never);
    await started.release();
  }
  const machine = await qemuBackend.attach(realPlatform, spec.runDirectory);
  try {
    await use(machine, spec.runDirectory);
  } finally {
    await machine.kill();
    await machine[Symbol.asyncDispose]();
  }
}

async function qemuOf(runDirectory: string): Promise<number> {
  return (await keptProcess(files, runDirectory, "qemu"))?.pid ?? assert.fail("the keeper named no QEMU");
}

test("a released machine goes on, can be paused and resumed from elsewhere, and is killed with its keeper", {
  skip,
}, async () => {
  await withKept("hangs", {}, async (machine, directory) => {
    assert.deepEqual(await machine.status(), { kind: "running" });
    await machine.pause();
    const again = await qemuBackend.attach(realPlatform, directory);
    assert.deepEqual(await again.status(), { kind: "paused" });
    await again.resume();
    assert.deepEqual(await machine.status(), { kind: "running" });
    const qemu = await qemuOf(directory);
    await machine.kill();
    assert.ok(!processes.isAlive(qemu));
    assert.deepEqual(await machine.stopped, { kind: "host-request" });
    await assert.rejects(qemuBackend.attach(realPlatform, directory), fails("guest-lost"));
  });
});

test("any number of processes may ask for the control socket at once", { skip }, async () => {
  await withKept("hangs", {}, async (machine) => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => machine.status()));
    assert.deepEqual(new Set(answers.map(({ kind }) => kind)), new Set(["running"]));
  });
});

test("a guest that powers off is recorded, with its console", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-kept-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, "powers off", {});
  await using machine = await vmm.start(spec, never);
  assert.deepEqual(await machine.stopped, { kind: "guest-shutdown" });
  assert.equal((await machine.diagnose()).console.text(), "kelpie");
  assert.deepEqual(await keptStop(files, spec.runDirectory), { kind: "guest-shutdown" });
});

test("a QEMU that is killed is recorded by its signal, and the keeper ends", { skip }, async () => {
  await withKept("hangs", {}, async (machine, directory) => {
    processes.signal(await qemuOf(directory), "SIGKILL");
    const exit = { kind: "signalled", signal: "SIGKILL" };
    assert.deepEqual(await machine.stopped, { kind: "process-exited", exit });
  });
});

test("a keeper that is killed takes its machine along, and that is told apart", { skip }, async () => {
  await withKept("hangs", {}, async (machine, directory) => {
    const keeper = (await keptProcess(files, directory, "keeper")) ?? assert.fail("there is no keeper");
    const qemu = await qemuOf(directory);
    processes.signal(keeper.pid, "SIGKILL");
    assert.deepEqual(await machine.stopped, { kind: "keeper-lost" });
    await processes.gone(qemu, AbortSignal.timeout(5000));
    assert.equal(await isSameProcessAlive(realPlatform, keeper), false);
  });
});

for (const [what, keep, kind] of [
  ["its time to live", { ttlSeconds: 1 }, "expired"],
  ["its idle timeout", { idleSeconds: 1 }, "idle"],
] as const) {
  test(`a machine ends at ${what}`, { skip }, async () => {
    await withKept("hangs", keep, async (machine) => {
      assert.deepEqual(await machine.stopped, { kind });
    });
  });
}

test("a port that is in use holds the idle timeout off", { skip }, async () => {
  await withKept("hangs", { idleSeconds: 1 }, async (machine, directory) => {
    {
      await using lock = await files.open(`${directory}/agent.0.lock`, "create");
      await lock.write(Buffer.from(`${process.pid} 00 testing\n`), 0);
    }
    const ended = machine.stopped.then(() => "ended");
    const waited = realPlatform.clock.sleep(2500).then(() => "waited");
    assert.equal(await Promise.race([ended, waited]), "waited");
    await files.remove(`${directory}/agent.0.lock`);
    assert.deepEqual(await machine.stopped, { kind: "idle" });
  });
});

test("what goes with its end is gone after it, directory and processes", { skip }, async () => {
  await withKept("hangs", { removeAtEnd: true, ttlSeconds: 1000 }, async (machine, directory) => {
    const keeper = (await keptProcess(files, directory, "keeper")) ?? assert.fail("there is no keeper");
    await machine.kill();
    assert.equal(await files.stat(directory), undefined);
    // The sleepers of its group too; the system takes a moment to reap what has no parent.
    await processes.gone(-keeper.pid, AbortSignal.timeout(5000));
  });
});

test("a creator that is killed before it says that all is well leaves a machine that ends by itself", {
  skip,
}, async () => {
  await using home = await files.temporaryDirectory("kelpie-kept-");
  const spec = await specFor(home.path, "hangs", { startWithinSeconds: 2 });
  const script = `
    import { openTinyQemu } from ${JSON.stringify(import.meta.resolve("../../testing/tiny-guest.ts"))};
    const vmm = await openTinyQemu(${JSON.stringify(home.path)});
    await vmm.start(${JSON.stringify(spec)}, new AbortController().signal);
    console.log("running");
    setInterval(() => undefined, 1000);
  `;
  const creator = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(creator.stdout, "data");
  creator.kill("SIGKILL");
  const machine = await qemuBackend.attach(realPlatform, spec.runDirectory);
  assert.deepEqual(await machine.stopped, { kind: "abandoned" });
});

test("a start that fails leaves nothing running, and QEMU's words in the error", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-kept-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, "hangs", {});
  const started: Promise<VirtualMachine> = vmm.start(
    { ...spec, image: { ...spec.image, initrd: home.path } },
    never,
  );
  await assert.rejects(
    started,
    (error) => fails("boot-failed")(error) && /could not load initrd/.test(String(error)),
  );
  const keeper = await keptProcess(files, spec.runDirectory, "keeper");
  assert.ok(keeper !== undefined && !(await isSameProcessAlive(realPlatform, keeper)));
});

test("a flood on the console is kept within twice its bound", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-kept-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, "floods", {});
  await using machine = await vmm.start(spec, never);
  await realPlatform.clock.sleep(2000);
  await machine[Symbol.asyncDispose]();
  const sizes = await Promise.all(
    ["console.log", "console.log.1"].map(
      async (name) => (await files.stat(`${spec.runDirectory}/${name}`))?.sizeBytes ?? 0,
    ),
  );
  assert.ok(Math.max(...sizes) <= 512 << 10);
  assert.ok((sizes[0] ?? 0) + (sizes[1] ?? 0) > 1000, sizes.join());
});
