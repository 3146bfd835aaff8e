// Why a guest did not become ready, from what it left on the console.

import { KelpieError } from "@kelpie/platform";
import { describeStop, type StopReason } from "../vmm/vm-state.ts";

const quotedLines = 20;

/** What is known of a boot that failed. */
export interface BootEvidence {
  /** The console's text. */
  readonly consoleText: string;
  /** The last lines of it. */
  readonly lastLines: readonly string[];
  /** The last stage that the guest named. */
  readonly stage: string | undefined;
  /** How the machine stopped; undefined where it still ran when the wait ended. */
  readonly stopped: StopReason | undefined;
  /** What the monitor wrote. */
  readonly monitorOutput: string;
  readonly waitedMs: number;
  readonly cause?: unknown;
}

/** A `boot-failed` error that says how far the guest came, what its console shows, and what is likely wrong. */
export function bootFailure(evidence: BootEvidence): KelpieError {
  const { lastLines, stopped, monitorOutput, waitedMs, cause } = evidence;
  const ending =
    stopped === undefined
      ? `it was not ready after ${Math.round(waitedMs / 100) / 10} s`
      : `${describeStop(stopped)} after ${Math.round(waitedMs / 100) / 10} s`;
  const likely = likelyCause(evidence);
  return new KelpieError("boot-failed", `The guest did not become ready: ${ending}`, {
    expected: "an answer of the guest's agent",
    found: [
      `the boot came as far as ${phaseReached(evidence)}`,
      ...(monitorOutput === "" ? [] : ["QEMU says:", monitorOutput]),
      ...(lastLines.length === 0
        ? ["the console is empty"]
        : ["the console ends with:", ...lastLines.slice(-quotedLines)]),
    ].join("\n"),
    ...(likely === undefined ? {} : { help: likely }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The furthest point of the boot that left a trace. */
export function phaseReached({ stage, consoleText }: Pick<BootEvidence, "stage" | "consoleText">): string {
  if (stage !== undefined) return stage.startsWith("agent ") ? stage : `init ${stage}`;
  if (/\[ *\d+\.\d{6}\]/.test(consoleText)) return "the kernel";
  return consoleText.trim() === "" ? "the firmware" : "the boot loader";
}

/** A sign on the console and what it means. The first that matches is named, so the most telling come first. */
const signs: readonly (readonly [sign: RegExp, meaning: string])[] = [
  [
    /Out of memory|Killed process|page allocation failure|not enough memory|Initramfs unpacking failed: write error/i,
    "The guest ran out of memory: give it more with --memory.",
  ],
  [
    /kelpie: error root|VFS: Unable to mount root|Cannot open root device|Attempted to kill init.*exitcode=0x00000(?:100|200)/,
    "The root file system was not found or not mounted: is rootfs.ext4 labelled kelpie-root, and does the initrd have virtio_blk and ext4 for this kernel?",
  ],
  [
    /kelpie: error .*module|Unknown symbol|disagrees about version of symbol|Invalid module format|Exec format error/i,
    "A kernel module could not be loaded: the initrd's modules must be of the same release as the kernel.",
  ],
  [
    /No working init found|Failed to execute \/init|Run \/init as init process[^]*error -\d+/,
    "The initrd has no /init that this kernel can run.",
  ],
  [
    /EXT4-fs error|I\/O error, dev vda|checksum (?:invalid|failed)/i,
    "The root file system is damaged: download or build the image again.",
  ],
  [
    /kelpie: error .*agent|kelpie-guest.*(?:not found|No such file)/i,
    "The image has no agent that runs: /usr/local/bin/kelpie-guest is missing or not for this architecture.",
  ],
  [/Kernel panic - not syncing/, "The guest's kernel panicked."],
];

/** The likely cause in words, with the way out; undefined where nothing points to one. */
export function likelyCause({ consoleText, stage, stopped }: BootEvidence): string | undefined {
  const named = signs.find(([sign]) => sign.test(consoleText))?.[1];
  if (named !== undefined) return named;
  if (consoleText.trim() === "") {
    return "Nothing ran: the kernel has too little memory (--memory 128 and more), is none that this machine can boot, or is for another architecture.";
  }
  if (stage === "agent" && stopped === undefined) {
    return "The agent was started and does not answer: it may lack the virtio_console module, or be of another protocol version.";
  }
  return undefined;
}
