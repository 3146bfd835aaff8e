// A sandbox's network log for people and for programs.

import { once } from "node:events";
import { join } from "node:path";
import { KelpieError, tryParseJson, printable } from "@kelpie/platform";
import { networkLogName } from "@kelpie/sandbox";
import type { CommandContext } from "../command.ts";

/** Larger than any log: its writer stops at 32 MiB. */
const logLimitBytes = 64 << 20;

/** Prints the log in a sandbox's directory. `not-found` where there is none. */
export async function printNetworkLog(
  { platform, terminal }: CommandContext,
  directory: string,
  isJson: boolean,
): Promise<void> {
  const path = join(directory, networkLogName);
  if ((await platform.files.lstat(path)) === undefined) {
    throw new KelpieError("not-found", "This sandbox has no network log", {
      help: "Only a sandbox with --net allow=… has one.",
    });
  }
  const text = new TextDecoder().decode(await platform.files.readFile(path, logLimitBytes));
  const lines = text.split("\n").filter((line) => line !== "");
  for (const line of lines) {
    const shown = isJson ? line : networkLogLine(tryParseJson(line));
    if (!terminal.stdout.write(`${shown}\n`)) await once(terminal.stdout, "drain");
  }
}

/** One event: "2026-01-15T12:00:00.000Z denied example.org 443 not-allowed". Names are the guest's words. */
function networkLogLine(event: unknown): string {
  const { time, event: kind, id, ...rest } = isRecord(event) ? event : {};
  const number = typeof id === "number" ? [`#${id}`] : [];
  const words = [
    time,
    kind,
    ...number,
    ...Object.entries(rest).map(([name, value]) => labelled(name, value)),
  ];
  return printable(words.map(String).join(" "));
}

function labelled(name: string, value: unknown): string {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value);
  return ["host", "port", "address", "reason"].includes(name) ? text : `${name}=${text}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
