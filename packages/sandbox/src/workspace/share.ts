// A host directory that a sandbox is given: what was asked for, and how it gets there.

import { isAbsolute, posix, resolve } from "node:path";
import { KelpieError } from "@kelpie/platform";

/** A directory of the host at a place in the guest. */
export interface Share {
  /** Absolute, on the host. */
  readonly source: string;
  /** Absolute, in the guest. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** How a directory gets into a guest; docs/workspace.md tells what each promises. */
export type Transport = "virtiofs" | "9p" | "disk";
const transports: readonly Transport[] = ["virtiofs", "9p", "disk"];

export const workspaceTarget = "/workspace";

/** `DIR[:ro]` for /workspace; `workingDirectory` is where a relative one starts. @throws KelpieError `usage` */
export function parseWorkspace(text: string, workingDirectory: string): Share {
  const { rest, readOnly } = splitMode(text);
  if (rest === "") throw usage(text, "DIR or DIR:ro");
  return { source: resolve(workingDirectory, rest), target: workspaceTarget, readOnly };
}

/** `SRC:DST[:ro]`. @throws KelpieError `usage` */
export function parseMount(text: string, workingDirectory: string): Share {
  const { rest, readOnly } = splitMode(text);
  const colon = rest.lastIndexOf(":");
  const target = rest.slice(colon + 1);
  if (colon <= 0 || !isAbsolute(target)) throw usage(text, "SRC:DST or SRC:DST:ro, DST an absolute path");
  return {
    source: resolve(workingDirectory, rest.slice(0, colon)),
    // One place has one name here: shares are compared by it.
    target: posix.resolve(target),
    readOnly,
  };
}

/** `virtiofs`, `9p`, `disk` or `auto`. @throws KelpieError `usage` */
export function parseTransport(text: string): Transport | "auto" {
  const known = [...transports, "auto"] as const;
  const found = known.find((candidate) => candidate === text);
  if (found === undefined) throw usage(text, known.join(", "));
  return found;
}

/** One line for a person. */
export function describeShare(
  { source, target, readOnly }: Share,
  transport: Transport,
  why: string,
): string {
  return `${source} is ${target}${readOnly ? ", read only," : ""} by ${transport} (${why})`;
}

function splitMode(text: string): { readonly rest: string; readonly readOnly: boolean } {
  if (text.endsWith(":ro")) return { rest: text.slice(0, -3), readOnly: true };
  return { rest: text.endsWith(":rw") ? text.slice(0, -3) : text, readOnly: false };
}

function usage(found: string, expected: string): KelpieError {
  return new KelpieError("usage", "Cannot tell what to share with the sandbox", {
    expected,
    found: JSON.stringify(found.slice(0, 200)),
  });
}
