// Does hardware virtualisation really run a guest here? A device node that opens is no proof: some hosts offer
// /dev/kvm and no kernel ever gets anywhere on it. So a small guest is run, and must answer.

import { join } from "node:path";
import { type Architecture, describeError, KelpieError, type Platform, printable } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import { ByteTail } from "../byte-tail.ts";
import type { Accelerator } from "../qemu/accelerator.ts";
import { flatten } from "../qemu/option.ts";
import { tieToUs } from "../tied-command.ts";
import type { ProbeResult } from "./kept-verdict.ts";
import { probeImage, probeOptions } from "./probe-arguments.ts";
import { probeAnswer } from "./probe-programs.ts";

/** With hardware virtualisation an answer takes about 0.1 s. */
const answerWithinMs = 5_000;
const keptOutputBytes = 4096;

/** Runs the probe's guest. Any failure but the signal's is a result. */
export async function probeAccelerator(
  platform: Platform,
  qemu: string,
  architecture: Architecture,
  accelerator: Accelerator,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { clock, files, processes } = platform;
  await using directory = await files.temporaryDirectory("kelpie-probe-");
  const image = join(directory.path, "image");
  {
    await using file = await files.open(image, "create");
    await file.write(probeImage(architecture), 0);
  }
  const args = flatten(probeOptions(architecture, accelerator, image));
  const command = await tieToUs(platform, { program: qemu, args });
  using deadline = clock.deadline(answerWithinMs, "The probe's guest");
  const stop = AbortSignal.any([signal, deadline.signal]);
  await using child = await processes.spawn(command.program, command.args, {
    stdin: command.needsStdinPipe ? "pipe" : "ignore",
    ownGroup: true,
  });
  const output = new ByteTail(keptOutputBytes);
  const errors = new ByteTail(keptOutputBytes);
  child.stdout?.on("data", (bytes: Uint8Array) => output.append(bytes));
  child.stderr?.on("data", (bytes: Uint8Array) => errors.append(bytes));
  try {
    await orAborted(child.exit, stop);
  } catch (error) {
    if (signal.aborted || !KelpieError.is(error)) throw error;
    return { works: false, reason: `a test guest did not get anywhere: ${describeError(error)}` };
  }
  const text = (tail: ByteTail): string => printable(Buffer.from(tail.bytes()).toString("utf8")).trim();
  if (text(output).includes(probeAnswer)) return { works: true };
  const lastWords = text(errors).split("\n").at(-1) ?? "";
  return { works: false, reason: lastWords === "" ? "a test guest stopped without an answer" : lastWords };
}
