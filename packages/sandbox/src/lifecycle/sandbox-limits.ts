// What a sandbox may be asked to be, checked before anything is made for it.

import { KelpieError } from "@kelpie/platform";
import type { KeepSandbox, SandboxOptions } from "./sandbox-options.ts";

/** No image's kernel gets as far as an answer with less. */
export const memoryLimitsMiB = { least: 32, most: 1 << 22 } as const;
const maxCpus = 256;
/** The kernel's own bound (PID_MAX_LIMIT). */
export const maxPids = 1 << 22;
/** A name as programs can have it in their environment. */
const variableName = /^[^=\0]+$/;

type Asked = Pick<
  SandboxOptions,
  "memoryMiB" | "cpus" | "diskBytes" | "pidsLimit" | "env" | "bootTimeoutMs" | "keep"
>;

/** @throws KelpieError `invalid-input` */
export function checkLimits({ keep = {}, env = {}, ...asked }: Asked): void {
  const { least, most } = memoryLimitsMiB;
  whole("memoryMiB", asked.memoryMiB, least, most);
  whole("cpus", asked.cpus, 1, maxCpus);
  whole("diskBytes", asked.diskBytes, 1, Number.MAX_SAFE_INTEGER);
  whole("pidsLimit", asked.pidsLimit, 1, maxPids);
  time("bootTimeoutMs", asked.bootTimeoutMs);
  const { ttlMs, idleTimeoutMs }: KeepSandbox = keep;
  time("ttlMs", ttlMs);
  time("idleTimeoutMs", idleTimeoutMs);
  for (const [name, value] of Object.entries(env)) {
    if (variableName.test(name) && !value.includes("\0")) continue;
    throw wrong(
      "a variable of its environment",
      "a name without =, and no NUL",
      JSON.stringify(name.slice(0, 100)),
    );
  }
}

function whole(what: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  throw wrong(what, `a whole number from ${least} to ${most}`, `${value}`);
}

function time(what: string, value: number | undefined): void {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return;
  throw wrong(what, "a number of milliseconds above 0", `${value}`);
}

function wrong(what: string, expected: string, found: string): KelpieError {
  return new KelpieError("invalid-input", `No sandbox can have this: ${what}`, { expected, found });
}
