// Options by which commands name a spec, what it is resolved from, and its lock.

import { KelpieError } from "@kelpie/platform";
import type { LockChoice } from "./build.ts";

/** Of every command that reads a spec. */
export const sourceOptions = {
  spec: {
    type: "string",
    value: "FILE",
    help: "The image's spec [default: kelpie-base.yaml, Alpine 3.19]",
  },
  offline: { type: "boolean", help: "Download nothing: take everything from the cache" },
} as const;

/** Of every command that may take a lock. */
export const lockOptions = {
  locked: {
    type: "string",
    value: "FILE",
    help: "Take what this lock names [default: SPEC.lock.yaml, where there is one]",
  },
  vendored: {
    type: "string",
    value: "DIR",
    help: "Take everything from what `kelpie images vendor` has put there",
  },
  unlocked: { type: "boolean", help: "Look packages up anew, whatever lock there is" },
} as const;

/** @throws KelpieError `usage` where more than one is given. */
export function lockChoice(options: {
  readonly locked?: string | undefined;
  readonly vendored?: string | undefined;
  readonly unlocked?: boolean | undefined;
}): LockChoice | undefined {
  const { locked, vendored, unlocked } = options;
  const choices: LockChoice[] = [
    ...(locked === undefined ? [] : [{ kind: "file", path: locked } as const]),
    ...(vendored === undefined ? [] : [{ kind: "vendored", directory: vendored } as const]),
    ...(unlocked === true ? [{ kind: "none" } as const] : []),
  ];
  if (choices.length > 1)
    throw new KelpieError("usage", "A build takes one of --locked, --vendored and --unlocked");
  return choices[0];
}
