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
  unlocked: { type: "boolean", help: "Look packages up anew, whatever lock there is" },
} as const;

/** @throws KelpieError `usage` where both are given. */
export function lockChoice(options: {
  readonly locked?: string | undefined;
  readonly unlocked?: boolean | undefined;
}): LockChoice | undefined {
  const { locked, unlocked } = options;
  if (locked !== undefined && unlocked === true)
    throw new KelpieError("usage", "A build is either --locked or --unlocked");
  if (unlocked === true) return { kind: "none" };
  return locked === undefined ? undefined : { kind: "file", path: locked };
}
