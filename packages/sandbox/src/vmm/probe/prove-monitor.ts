// Does a monitor that enters the kernel directly run guests here? It is the one to say: a small guest is run by it, and must
// answer. Another monitor's verdict is none for it.

import { join } from "node:path";
import { describeError, KelpieError, type Platform } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import type { Vmm } from "../vmm.ts";
import type { ProbeResult } from "./kept-verdict.ts";
import { amd64Kernel, directProgram, probeAnswer } from "./probe-programs.ts";

/** With a KVM that works an answer takes about 0.2 s, most of it the monitor's own start. */
const answersWithinMs = 15_000;
const diskBytes = 1 << 20;
const memoryMiB = 64;

/** Runs the probe's guest for amd64 by `vmm`. Any failure but the signal's is a result. */
export async function proveMonitor(platform: Platform, vmm: Vmm, signal: AbortSignal): Promise<ProbeResult> {
  const { clock, files } = platform;
  await using directory = await files.temporaryDirectory("kelpie-probe-");
  const inside = (name: string): string => join(directory.path, name);
  const image = {
    architecture: "amd64",
    rootfs: inside("root"),
    kernel: inside("kernel"),
    initrd: inside("initrd"),
  } as const;
  await writeFile(files, image.rootfs, new Uint8Array(diskBytes));
  await writeFile(files, image.kernel, amd64Kernel(directProgram()));
  await writeFile(files, image.initrd, new Uint8Array(512));
  const runDirectory = inside("run");
  await files.makeDirectory(runDirectory, 0o700);
  using deadline = clock.deadline(answersWithinMs, "A test guest");
  const stop = AbortSignal.any([signal, deadline.signal]);
  try {
    const shape = { image, memoryMiB, cpus: 1, agentPorts: 1, hostname: "probe", runDirectory };
    await using machine = await vmm.start(shape, stop);
    await orAborted(machine.stopped, stop);
    const { console, monitorOutput } = await machine.diagnose();
    if (console.text().includes(probeAnswer)) return { works: true };
    const [words = ""] = monitorOutput.split("\n");
    return { works: false, reason: `a test guest stopped without an answer${told(words)}` };
  } catch (error) {
    if (signal.aborted || !KelpieError.is(error)) throw error;
    return { works: false, reason: `a test guest did not get anywhere: ${describeError(error)}` };
  }
}

/** A monitor's words without the time and the place that its log puts before them. */
function told(words: string): string {
  const text = words.replace(/^(?:\S+ )?\[[^\]]{0,100}\] /, "").trim();
  return text === "" ? "" : `: ${text}`;
}

async function writeFile(files: Platform["files"], path: string, bytes: Uint8Array): Promise<void> {
  await using file = await files.open(path, "create");
  await file.write(bytes, 0);
}
