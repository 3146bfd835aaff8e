// Options by which commands name a spec, what it is resolved from, and its lock.

import { parseReference, type VendoredPlace } from "@kelpie/images";
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
    value: "PLACE",
    help: "Take everything from where `kelpie images vendor` has put it: DIR, oci:DIR or REPOSITORY@DIGEST",
  },
  unlocked: { type: "boolean", help: "Look packages up anew, whatever lock there is" },
} as const;

/** Before the directory of an OCI image layout. */
export const layoutPrefix = "oci:";

/** What --vendored names; a tag needs `oci://` in front, to be told from a directory. */
function vendoredPlace(text: string): VendoredPlace | string {
  const isRegistry = text.startsWith("oci://") || text.includes("@sha256:");
  if (isRegistry) return { kind: "registry", reference: parseReference(text) };
  return text.startsWith(layoutPrefix)
    ? { kind: "layout", directory: text.slice(layoutPrefix.length) }
    : text;
}

/** @throws KelpieError `usage` where more than one is given. */
export function lockChoice(options: {
  readonly locked?: string | undefined;
  readonly vendored?: string | undefined;
  readonly unlocked?: boolean | undefined;
}): LockChoice | undefined {
  const { locked, vendored, unlocked } = options;
  const choices: LockChoice[] = [
    ...(locked === undefined ? [] : [{ kind: "file", path: locked } as const]),
    ...(vendored === undefined ? [] : [{ kind: "vendored", from: vendoredPlace(vendored) } as const]),
    ...(unlocked === true ? [{ kind: "none" } as const] : []),
  ];
  if (choices.length > 1)
    throw new KelpieError("usage", "A build takes one of --locked, --vendored and --unlocked");
  return choices[0];
}
