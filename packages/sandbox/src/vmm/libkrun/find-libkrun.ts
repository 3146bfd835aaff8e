// Whether libkrun is here, found out by a process that loads it as a machine's does.

import { extname, join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { Command } from "../tied-command.ts";
import { readReport } from "./child-report.ts";

const answersWithinMs = 20_000;

/** An installed libkrun. */
export interface LibkrunInstallation {
  /** What its machines load: a path, or a name that the system's loader finds. */
  readonly library: string;
  /** The file behind it. */
  readonly file: string;
}

type Parts = Pick<Platform, "clock" | "host" | "processes">;

/**
 * Finds libkrun where the system's loader does, or where KELPIE_LIBKRUN says.
 *
 * @throws KelpieError `missing-tool` with the way to get it; `unsupported` for one that is too old or was built without
 *   block devices
 */
export async function findLibkrun(platform: Parts, signal?: AbortSignal): Promise<LibkrunInstallation> {
  const { clock, host, processes } = platform;
  const library = host.environment["KELPIE_LIBKRUN"] ?? usualName(host);
  const { program, args } = libkrunProcess(platform, ["--find", library]);
  using deadline = clock.deadline(answersWithinMs, "Loading libkrun");
  const stop = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  await using child = await processes.spawn(program, args, {
    env: libkrunEnvironment(host),
    stderr: "ignore",
  });
  const report = child.stdout === undefined ? undefined : await readReport(child.stdout, stop);
  if (report?.kind === "found") return { library, file: report.file };
  if (report?.kind === "failed") throw report.error;
  throw new KelpieError("process-failed", "libkrun could not be looked for", { where: library });
}

function usualName({ operatingSystem }: Parts["host"]): string {
  return operatingSystem === "darwin" ? "libkrun.1.dylib" : "libkrun.so.1";
}

/** The process that loads libkrun, in the same Node.js and in the form in which we run. */
export function libkrunProcess({ host }: Pick<Platform, "host">, args: readonly string[]): Command {
  const main = join(import.meta.dirname, `libkrun-main${extname(import.meta.filename)}`);
  return { program: host.program, args: [main, ...args] };
}

/** Variables that a loader or Node.js reads; nothing else of ours is a machine's business. */
const passedOn = [
  "PATH",
  "LD_LIBRARY_PATH",
  "DYLD_LIBRARY_PATH",
  "DYLD_FALLBACK_LIBRARY_PATH",
  "NODE_COMPILE_CACHE",
];

/** `compileCache` is where Node.js keeps what it has compiled, unless a variable says another place. */
export function libkrunEnvironment(
  { environment }: Pick<Platform["host"], "environment">,
  compileCache?: string,
): Record<string, string> {
  const present = passedOn.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }),
    ...Object.fromEntries(present),
  };
}
