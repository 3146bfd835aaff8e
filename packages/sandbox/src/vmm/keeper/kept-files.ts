// What a keeper has written about its machine, read with care: the directory is the person's own, a crash may have cut it.

import { join } from "node:path";
import {
  type Files,
  type ProcessExit,
  type ProcessIdentity,
  readTextIfPresent,
  tryParseJson,
  printable,
} from "@kelpie/platform";
import { ConsoleLog } from "../console-log.ts";
import { shutdownReason } from "../qemu/shutdown-reason.ts";
import type { StopReason } from "../vm-state.ts";
import type { Diagnosis } from "../vmm.ts";
import { consoleFileLimitBytes, keeperFiles, qemuLogLimitBytes } from "./keeper-script.ts";

const smallTextBytes = 16 << 10;
const startTimeField = 21;
/** The signals that end a process in practice, by number; all numbers of Linux and macOS that agree. */
const signalNames: Readonly<Record<number, NodeJS.Signals>> = {
  4: "SIGILL",
  6: "SIGABRT",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

/** A process that the keeper named in `file`; undefined where it has not. */
export async function keptProcess(
  files: Files,
  directory: string,
  file: "keeper" | "qemu",
): Promise<ProcessIdentity | undefined> {
  const text = (await small(files, directory, file))?.trim();
  if (text === undefined) return undefined;
  const [first = ""] = text.split(" ");
  // The program's name, in parentheses, may have spaces: what follows it is counted from its end.
  const startTime = text.includes(")")
    ? text.slice(text.lastIndexOf(")") + 2).split(" ")[startTimeField - 2]
    : undefined;
  const pid = Number(first);
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, startTime: startTime ?? "unknown" } : undefined;
}

/** Why a kept machine stopped; undefined where its keeper has not said so (yet). */
export async function keptStop(files: Files, directory: string): Promise<StopReason | undefined> {
  const exit = await keptExit(files, directory);
  if (exit === undefined) return undefined;
  const asked = reasonOf((await small(files, directory, "reason"))?.trim());
  if (asked !== undefined) return asked;
  const event = tryParseJson((await small(files, directory, "shutdown")) ?? "");
  const data = typeof event === "object" && event !== null && "data" in event ? event.data : undefined;
  if (typeof data === "object" && data !== null && "reason" in data) return shutdownReason(data.reason);
  // A monitor that ends in order, unasked, was ended by its guest; Firecracker says no more than that.
  if (exit.kind === "exited" && exit.code === 0) return { kind: "guest-reset" };
  return { kind: "process-exited", exit };
}

/** How QEMU ended, from the shell's exit status for it; undefined where its keeper has not said so (yet). */
export async function keptExit(files: Files, directory: string): Promise<ProcessExit | undefined> {
  const text = (await small(files, directory, "ended"))?.trim();
  if (text === undefined) return undefined;
  const status = /^\d{1,3}$/.test(text) ? Number(text) : 255;
  const signal = signalNames[status - 128];
  return signal === undefined ? { kind: "exited", code: status } : { kind: "signalled", signal };
}

/** What the machine and its monitor wrote. */
export async function keptDiagnosis(files: Files, directory: string): Promise<Diagnosis> {
  const console = new ConsoleLog();
  for await (const piece of keptText(files, directory, "console")) console.append(piece);
  const words: Uint8Array[] = [];
  for await (const piece of keptText(files, directory, "qemuLog")) words.push(piece);
  return { console, monitorOutput: printable(Buffer.concat(words).toString("utf8")).trim() };
}

/** The two files of a bounded log, oldest first. */
export async function* keptText(
  files: Files,
  directory: string,
  which: "console" | "qemuLog",
): AsyncGenerator<Uint8Array> {
  const limit = which === "console" ? consoleFileLimitBytes : qemuLogLimitBytes;
  for (const suffix of [".1", ""]) {
    const bytes = new Uint8Array(limit);
    const path = join(directory, keeperFiles[which] + suffix);
    const length = await files.readInto(path, bytes, 0).catch(() => 0);
    if (length > 0) yield bytes.subarray(0, length);
  }
}

function small(files: Files, directory: string, file: keyof typeof keeperFiles): Promise<string | undefined> {
  return readTextIfPresent(files, join(directory, keeperFiles[file]), smallTextBytes);
}

function reasonOf(word: string | undefined): StopReason | undefined {
  switch (word) {
    case "killed":
      return { kind: "host-request" };
    case "ttl":
      return { kind: "expired" };
    case "idle":
      return { kind: "idle" };
    case "start":
      return { kind: "abandoned" };
    case undefined:
    default:
      return undefined;
  }
}
