// The command of this checkout, run as a person runs it, in a KELPIE_HOME of the test's own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The checkout. */
export const root = join(import.meta.dirname, "../../../..");

const userCache = join(process.env["KELPIE_HOME"] ?? join(homedir(), ".kelpie"), "cache");
/** A first build compiles the guest's programs. */
const timeoutMs = 900_000;

/** How the command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

/** Makes a KELPIE_HOME whose downloads and compiled programs are the user's: those are keyed by content. */
export function makeHome(home: string): void {
  mkdirSync(userCache, { recursive: true });
  mkdirSync(home, { recursive: true });
  symlinkSync(userCache, join(home, "cache"));
}

/** Runs `kelpie`, with an empty standard input unless one is given. */
export function kelpie(home: string, args: readonly string[], input: string | Buffer = ""): Ended {
  const { status, stdout, stderr } = spawnSync(join(root, "kelpie"), args, {
    env: { ...process.env, KELPIE_HOME: home },
    cwd: root,
    input,
    timeout: timeoutMs,
    maxBuffer: 64 << 20,
  });
  return { code: status, stdout: stdout.toString(), stdoutBytes: stdout, stderr: stderr.toString() };
}

/** Runs `kelpie`, which must exit with 0, and returns what it printed. */
export function succeeds(home: string, args: readonly string[]): string {
  const { code, stdout, stderr } = kelpie(home, args);
  assert.equal(code, 0, stderr);
  return stdout;
}
