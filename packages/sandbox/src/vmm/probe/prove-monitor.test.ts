// The proof of a monitor that enters the kernel directly: its guest, and what becomes of a monitor's ways to fail.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { ConsoleLog } from "../console-log.ts";
import type { StopReason } from "../vm-state.ts";
import type { VirtualMachine, Vmm } from "../vmm.ts";
import { amd64Kernel, directProgram } from "./probe-programs.ts";
import { proveMonitor } from "./prove-monitor.ts";

const { files, processes } = realPlatform;
const never = new AbortController().signal;

async function missing(...tools: string[]): Promise<string | false> {
  for (const tool of tools) if ((await processes.find(tool)) === undefined) return `${tool} is not installed`;
  return false;
}

const [gcc, objcopy, ld] = ["gcc", "objcopy", "ld"].map((tool) => `x86_64-linux-gnu-${tool}`) as [
  string,
  string,
  string,
];

test("the program is what the assembler makes of its source", {
  skip: await missing(gcc, objcopy),
}, async () => {
  await using home = await files.temporaryDirectory("kelpie-probe-test-");
  const [object, binary] = [join(home.path, "probe.o"), join(home.path, "probe.bin")];
  execFileSync(gcc, ["-c", join(import.meta.dirname, "probe-direct-amd64.S"), "-o", object]);
  execFileSync(objcopy, ["-O", "binary", "-j", ".text", object, binary]);
  assert.ok(readFileSync(binary).equals(directProgram()));
});

const emulator = "qemu-system-x86_64";
for (const processor of ["max", "Nehalem", "max,-xsave,-cx16,-popcnt"]) {
  test(`the program answers and resets where a processor works: ${processor}, emulated`, {
    skip: await missing(gcc, ld, emulator),
  }, async () => {
    await using home = await files.temporaryDirectory("kelpie-probe-test-");
    const inside = (name: string): string => join(home.path, name);
    await using file = await files.open(inside("program"), "create");
    await file.write(directProgram(), 0);
    const source = join(import.meta.dirname, "testing/pvh-entry.S");
    execFileSync(gcc, ["-m32", "-c", `-DPROGRAM="${inside("program")}"`, source, "-o", inside("o")]);
    const sections = [
      "-Ttext=0x200000",
      "--section-start=.program=0x1000000",
      "--section-start=.note=0x180000",
    ];
    const link = ["-m", "elf_i386", "-n", "--no-warn-rwx-segments", ...sections, "-e", "entry"];
    execFileSync(ld, [...link, inside("o"), "-o", inside("kernel")]);
    const machine = ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35"];
    const guest = ["-accel", "tcg", "-cpu", processor, "-m", "64M", "-serial", "stdio"];
    const { stdout, status } = spawnSync(emulator, [...machine, ...guest, "-kernel", inside("kernel")], {
      timeout: 20_000,
    });
    assert.equal(stdout.toString(), "kelpie\n");
    assert.equal(status, 0);
  });
}

/** A monitor whose machine writes `written`, says `words` and then stops, or never does. */
function played(written: string, words: string, stops = true): Vmm {
  const console = new ConsoleLog();
  console.append(Buffer.from(written));
  const stopped = stops
    ? Promise.resolve<StopReason>({ kind: "guest-reset" })
    : new Promise<StopReason>(() => undefined);
  const machine: Pick<VirtualMachine, "stopped" | "diagnose"> & AsyncDisposable = {
    stopped,
    diagnose: () => Promise.resolve({ console, monitorOutput: words }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return monitor(async ({ image, runDirectory }) => {
    assert.ok(readFileSync(image.kernel).equals(amd64Kernel(directProgram())));
    assert.equal((await files.stat(runDirectory))?.mode, 0o700);
    return machine as VirtualMachine;
  });
}

function monitor(start: Vmm["start"]): Vmm {
  const capabilities = { architectures: [], carriers: [], plugs: [] } as const;
  const can = { pauses: false, restores: false, keeps: false, sharesDirectories: false };
  return { name: "firecracker", capabilities: { ...capabilities, ...can }, description: "played", start };
}

const hurried = {
  ...realPlatform,
  clock: {
    ...realPlatform.clock,
    deadline: (ms: number, what: string) => realPlatform.clock.deadline(ms / 100, what),
  },
};

test("a monitor whose guest answers works, and each way not to is told", async () => {
  assert.deepEqual(await proveMonitor(realPlatform, played("kelpie\n", ""), never), { works: true });
  const log = "2026-11-24T00:33:40.010718 [anonymous-instance:fc_vcpu 0] KVM gave up";
  const refused = monitor(() => Promise.reject(new KelpieError("boot-failed", "no such device")));
  const silent = played("", "", false);
  const ways: readonly (readonly [Vmm, RegExp])[] = [
    [played("kel", ""), /^a test guest stopped without an answer$/],
    [played("", log), /^a test guest stopped without an answer: KVM gave up$/],
    [played("", "[2026-11-24T00:33:40Z ERROR vstate] KVM gave up\nmore"), /answer: KVM gave up$/],
    [silent, /^a test guest did not get anywhere: A test guest took too long/],
    [refused, /^a test guest did not get anywhere: no such device$/],
  ];
  for (const [vmm, reason] of ways) {
    // Only the guest that never stops is waited for in vain.
    const result = await proveMonitor(vmm === silent ? hurried : realPlatform, vmm, never);
    assert.ok(!result.works && reason.test(result.reason), JSON.stringify(result));
  }
});

test("a proof that is given up is no verdict", async () => {
  const controller = new AbortController();
  const proof = proveMonitor(realPlatform, played("", "", false), controller.signal);
  controller.abort(new KelpieError("cancelled", "enough"));
  await assert.rejects(proof, (error) => KelpieError.is(error) && error.code === "cancelled");
});
