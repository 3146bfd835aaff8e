// The command of this checkout, run as a person runs it, in a KELPIE_HOME of the test's own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { formatImageVersion, ImageStore } from "@kelpie/images";
import { realPlatform } from "@kelpie/platform";

/** The checkout. */
export const root = join(import.meta.dirname, "../../../..");

const userCache = join(process.env["KELPIE_HOME"] ?? join(homedir(), ".kelpie"), "cache");
/** What Node.js has compiled of the command, for homes that begin empty. */
export const compileCache = join(userCache, "node-compile");
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

/** As {@link makeHome}, with the newest image for this machine of the user's store, linked; or why there is none. */
export async function findImageForHome(): Promise<
  | { readonly version: string; readonly userHome: string; readonly makeHome: (home: string) => void }
  | { readonly skip: string }
> {
  const { images } = await new ImageStore(realPlatform, dirname(userCache)).list();
  const image = images
    .filter(({ architecture }) => architecture === realPlatform.host.architecture)
    .toSorted((a, b) => a.buildDate.localeCompare(b.buildDate))
    .at(-1);
  if (image === undefined) return { skip: `there is no image for this machine in ${dirname(userCache)}` };
  return {
    version: formatImageVersion(image.version),
    userHome: dirname(userCache),
    makeHome: (home) => {
      makeHome(home);
      mkdirSync(join(home, "images"));
      symlinkSync(image.directory, join(home, "images", basename(image.directory)));
    },
  };
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

/** {@link kelpie} and {@link succeeds} in one home. */
export function kelpieIn(home: string): {
  readonly kelpie: (args: readonly string[], input?: string | Buffer) => Ended;
  readonly succeeds: (args: readonly string[]) => string;
} {
  return {
    kelpie: (args, input) => kelpie(home, args, input),
    succeeds: (args) => succeeds(home, args),
  };
}
