// What the host has recorded of a sandbox: its console and its monitor's words, at once or as they come.

import { join } from "node:path";
import { type Platform, printable } from "@kelpie/platform";
import { keptText } from "../vmm/keeper/kept-files.ts";
import { keeperFiles } from "../vmm/keeper/keeper-script.ts";
import { attachMachine } from "../vmm/backends.ts";
import type { KnownSandbox } from "./registry.ts";

/** `console`: the guest's. `monitor`: QEMU's own words. */
export type LogKind = "console" | "monitor";

const fileOf = { console: "console", monitor: "qemuLog" } as const;

/** What is kept, as text that is safe on a terminal. */
export async function readLog(
  platform: Platform,
  { directory }: KnownSandbox,
  kind: LogKind,
): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of keptText(platform.files, directory, fileOf[kind])) pieces.push(piece);
  return printable(Buffer.concat(pieces).toString("utf8"));
}

/** As {@link readLog}, and then what comes until the sandbox has ended. `missing-tool` without `tail`. */
export async function* followLog(
  platform: Platform,
  sandbox: KnownSandbox,
  kind: LogKind,
  signal: AbortSignal,
): AsyncGenerator<string, undefined> {
  const { files, processes } = platform;
  const { directory } = sandbox;
  const path = join(directory, keeperFiles[fileOf[kind]]);
  for await (const piece of keptText(files, directory, fileOf[kind]))
    yield printable(Buffer.from(piece).toString("utf8"));
  const status = await files.stat(path);
  // `tail` waits for the system to tell of changes, and takes up the next file when this one is put aside.
  const args = ["-c", `+${(status?.sizeBytes ?? 0) + 1}`, "-F", path];
  await using tail = await processes.spawn("tail", args, { stderr: "ignore", signal });
  void endWithMachine(platform, sandbox, () => tail.kill("SIGTERM"));
  const decoder = new TextDecoder();
  const chunks: AsyncIterable<Uint8Array> = tail.stdout ?? nothing();
  for await (const chunk of chunks) yield printable(decoder.decode(chunk, { stream: true }));
}

async function endWithMachine(
  platform: Platform,
  { record, directory }: KnownSandbox,
  end: () => void,
): Promise<void> {
  try {
    await using machine = await attachMachine(platform, record.vmm, directory);
    await machine.stopped;
  } catch {
    // It has ended already.
  } finally {
    end();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, undefined> {
  // A child without a pipe writes nothing.
}
