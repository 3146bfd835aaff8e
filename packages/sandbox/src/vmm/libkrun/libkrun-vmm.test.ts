// A libkrun machine's life and ends, over a played library: real FFI, real processes, no guest.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { processesOf } from "../../testing/vmm-compliance/subject.ts";
import type { StopReason } from "../vm-state.ts";
import type { VirtualMachine, VmSpec } from "../vmm.ts";
import { libkrunBackend } from "./backend.ts";
import { findLibkrun } from "./find-libkrun.ts";
import { readKrunSettings } from "./settings.ts";
import { type Play, skipWithoutCompiler } from "./testing/played-libkrun.ts";
import { playMonitor, type PlayedMonitor } from "./testing/played-machine.ts";

const { clock, files, processes, host } = realPlatform;
const never = new AbortController().signal;
const notLinux = host.operatingSystem === "linux" ? false : "libkrun's machines pause on Linux alone";
const floodBytes = 3 << 20;

async function shape(monitor: PlayedMonitor, rest: Partial<VmSpec> = {}): Promise<VmSpec> {
  const runDirectory = join(monitor.directory, "run");
  await files.makeDirectory(runDirectory, 0o700);
  const { image } = monitor;
  return { image, memoryMiB: 64, cpus: 1, agentPorts: 2, hostname: "kelpie", runDirectory, ...rest };
}

async function play(
  what: Play,
  check: (machine: VirtualMachine, spec: VmSpec, monitor: PlayedMonitor) => Promise<void>,
  rest: Partial<VmSpec> = {},
): Promise<void> {
  await using monitor = await playMonitor();
  monitor.library.play(what);
  const spec = await shape(monitor, rest);
  await using machine = await monitor.vmm.start(spec, never);
  await check(machine, spec, monitor);
}

const fails = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(KelpieError.is(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};

const ends: readonly (readonly [how: string, play: Play, reason: StopReason])[] = [
  ["powers off", { say: "[    1.0] reboot: Power down", exit: 0 }, { kind: "guest-shutdown" }],
  ["resets itself", { say: "[    1.0] reboot: Restarting system", exit: 0 }, { kind: "guest-reset" }],
  ["panics", { say: "Kernel panic - not syncing: attempted", exit: 0 }, { kind: "guest-panicked" }],
  ["takes libkrun down", { exit: 17 }, { kind: "process-exited", exit: { kind: "exited", code: 17 } }],
];

describe("a libkrun machine", { skip: skipWithoutCompiler, concurrency: 2 }, () => {
  for (const [how, what, reason] of ends) {
    test(`whose guest ${how} says so`, async () => {
      await play(what, async (machine) => {
        assert.deepEqual(await machine.stopped, reason);
        assert.deepEqual(machine.state, { kind: "stopped", reason });
      });
    });
  }

  test("that is disposed was asked, and its process is gone", async () => {
    await play({}, async (machine, { runDirectory }) => {
      assert.equal((await processesOf(runDirectory)).length, 1);
      await machine[Symbol.asyncDispose]();
      assert.deepEqual(await machine.stopped, { kind: "host-request" });
      assert.deepEqual(await processesOf(runDirectory), []);
    });
  });

  test("is told by its exit when it is killed from outside, and nobody waits for its agent any longer", async () => {
    await play({}, async (machine, { runDirectory }) => {
      const connecting = machine.connectAgent(0, never);
      connecting.catch(() => undefined);
      for (const pid of await processesOf(runDirectory)) processes.signal(pid, "SIGKILL");
      assert.deepEqual(await machine.stopped, {
        kind: "process-exited",
        exit: { kind: "signalled", signal: "SIGKILL" },
      });
      await assert.rejects(connecting);
    });
  });

  test("that libkrun refuses to start ends with libkrun's words", async () => {
    await play({ krun_start_enter: 22 }, async (machine) => {
      assert.deepEqual(await machine.stopped, { kind: "process-exited", exit: { kind: "exited", code: 1 } });
      assert.match((await machine.diagnose()).monitorOutput, /krun_start_enter.*-22 \(EINVAL\)/);
    });
  });

  test("is not started where a call fails, and nothing of it stays", async () => {
    await using monitor = await playMonitor();
    monitor.library.play({ krun_add_vsock: 95 });
    const spec = await shape(monitor);
    await assert.rejects(monitor.vmm.start(spec, never), fails("boot-failed", /krun_add_vsock/));
    assert.deepEqual(await processesOf(spec.runDirectory), []);
  });

  test("with a console that floods has its beginning, its end and a file within bounds", async () => {
    await play({ flood: floodBytes, say: "first", exit: 0 }, async (machine, { runDirectory }) => {
      await machine.stopped;
      const text = (await machine.diagnose()).console.text();
      assert.match(text, /^kelpie: init agent\nfirst\n/);
      assert.match(text, /bytes of console output left out/);
      assert.ok(text.length < 256 << 10);
      assert.equal(statSync(join(runDirectory, "console.log")).size, 1 << 20);
    });
  });

  test("reads its image and writes to a layer of its own, as large as was asked", async () => {
    const diskBytes = (3 << 20) + 5;
    await play(
      {},
      (_, spec, { image }) => {
        const settings = readKrunSettings(
          JSON.parse(readFileSync(join(spec.runDirectory, "libkrun.json"), "utf8")),
        );
        assert.deepEqual(settings?.disks, [
          { name: "root", path: join(spec.runDirectory, "root.qcow2"), format: "qcow2", readOnly: false },
        ]);
        const layer = readFileSync(join(spec.runDirectory, "root.qcow2"));
        assert.equal(layer.readBigUInt64BE(24), BigInt((3 << 20) + 512));
        assert.ok(layer.includes(image.rootfs));
        assert.equal(statSync(join(spec.runDirectory, "root.qcow2")).mode & 0o777, 0o600);
        return Promise.resolve();
      },
      { diskBytes },
    );
  });

  test("has the directories that it shares, and is not started without one of them", async () => {
    await using monitor = await playMonitor();
    monitor.library.play({ exit: 0 });
    const tree = { name: "kelpie-share-0", path: monitor.directory, readOnly: true };
    const spec = await shape(monitor, { sharedDirectories: [tree] });
    await using machine = await monitor.vmm.start(spec, never);
    await machine.stopped;
    const seen = monitor.library.calls().find(({ name }) => name === "krun_add_virtiofs3");
    assert.deepEqual(seen?.args.slice(1), ["kelpie-share-0", monitor.directory, 0, 1]);
    const none = { ...spec, sharedDirectories: [{ ...tree, path: "/nowhere" }] };
    await assert.rejects(monitor.vmm.start(none, never), fails("not-found", /\/nowhere/));
  });

  test("is given no variable of ours but those of the loader and Node.js", async () => {
    const environment: Record<string, string | undefined>[] = [];
    const watched: Platform = {
      ...realPlatform,
      host: { ...host, environment: { PATH: host.environment["PATH"], SECRET: "s", NODE_OPTIONS: "--bad" } },
      processes: {
        ...processes,
        spawn(command, args, options) {
          environment.push(options?.env ?? { inherited: "all" });
          return processes.spawn(command, args, options);
        },
      },
    };
    await using monitor = await playMonitor(watched);
    await using machine = await monitor.vmm.start(await shape(monitor), never);
    assert.equal(machine.state.kind, "running");
    const compiled = join(monitor.directory, "home/cache/node-compile");
    assert.deepEqual(environment, [{ PATH: host.environment["PATH"], NODE_COMPILE_CACHE: compiled }]);
  });

  test("stands still when a pause has come back, and goes on", { skip: notLinux }, async () => {
    // A kernel that takes its time to deliver: a busy one does.
    const slow: Platform = {
      ...realPlatform,
      processes: {
        ...processes,
        signal(pid, signal) {
          setTimeout(() => processes.signal(pid, signal), 100);
          return true;
        },
      },
    };
    await using monitor = await playMonitor(slow);
    await using machine = await monitor.vmm.start(await shape(monitor), never);
    const [pid] = await processesOf(join(monitor.directory, "run"));
    const stateOf = (): string | undefined =>
      / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
    await machine.pause();
    assert.equal(stateOf(), "T");
    await machine.resume();
    using patience = clock.deadline(10_000, "The machine's going on");
    while (stateOf() === "T") await clock.sleep(10, patience.signal);
  });

  for (const whom of ["owner", "owner's process group"] as const) {
    test(`goes when its ${whom} is killed`, { timeout: 60_000 }, async () => {
      await using monitor = await playMonitor();
      monitor.library.play({ say: "kelpie: agent ready" });
      const spec = await shape(monitor);
      const script = join(monitor.directory, "owner.ts");
      const { path } = monitor.library;
      writeFileSync(
        script,
        `import { LibkrunVmm } from ${JSON.stringify(import.meta.resolve("./libkrun-vmm.ts"))};
         import { realPlatform } from ${JSON.stringify(import.meta.resolve("@kelpie/platform"))};
         const installation = ${JSON.stringify({ library: path, file: path })};
         const vmm = new LibkrunVmm(realPlatform, installation, ${JSON.stringify(monitor.directory)});
         await vmm.start(${JSON.stringify(spec)}, new AbortController().signal);
         console.log("started");
         setInterval(() => undefined, 1000);`,
      );
      const owner = spawn(process.execPath, [script], {
        detached: true,
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(owner.stdout, "data");
      assert.equal((await processesOf(spec.runDirectory)).length, 1);
      const pid = owner.pid ?? assert.fail("the owner did not start");
      process.kill(whom === "owner" ? pid : -pid, "SIGKILL");
      const deadline = clock.monotonicMs() + 10_000;
      while ((await processesOf(spec.runDirectory)).length > 0) {
        assert.ok(clock.monotonicMs() < deadline, "the machine is still there");
        await clock.sleep(20);
      }
    });
  }
});

describe("looking for libkrun", { skip: skipWithoutCompiler }, () => {
  const seeing = (library: string, rest: Partial<Platform["host"]> = {}): Platform => ({
    ...realPlatform,
    host: { ...host, ...rest, environment: { ...host.environment, KELPIE_LIBKRUN: library } },
  });

  test("one that is here is found, with its file", async () => {
    await using monitor = await playMonitor();
    const { path } = monitor.library;
    assert.deepEqual(await findLibkrun(seeing(path)), { library: path, file: path });
  });

  test("one that is not here is told as missing, with the way to get it", async () => {
    const architecture = host.architecture ?? "amd64";
    const options = { architecture, home: "/nowhere", signal: never };
    const finding = await libkrunBackend.examine(seeing("libkrun-of-nobody.so"), options);
    assert.ok(finding.kind === "missing");
    assert.equal(finding.found, "not installed");
    assert.match(finding.fix ?? "", /dnf install libkrun/);
    await assert.rejects(
      libkrunBackend.open(seeing("libkrun-of-nobody.so"), options),
      fails("missing-tool", /libkrun/),
    );
  });

  test("guests of another architecture than the machine's are refused", async () => {
    await using monitor = await playMonitor();
    const other = host.architecture === "amd64" ? "arm64" : "amd64";
    const options = { architecture: other, home: monitor.directory, signal: never } as const;
    const platform = seeing(monitor.library.path);
    assert.equal((await libkrunBackend.examine(platform, options)).kind, "unusable");
    await assert.rejects(libkrunBackend.open(platform, options), fails("unsupported", new RegExp(other)));
  });
});
