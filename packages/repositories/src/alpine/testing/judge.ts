// apk itself, out of the real minirootfs, run in a chroot: the judge of what we compute and write. Absent where the
// data, root's rights or this machine's architecture are.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const repositoryRoot = join(import.meta.dirname, "../../../../..");
const dataDirectory = join(repositoryRoot, "../shared/data/alpine");
const run = promisify(execFile);

/** The path of a file of real data, or undefined where it is not at hand. */
export function realData(name: string): string | undefined {
  const path = join(dataDirectory, name);
  return existsSync(path) ? path : undefined;
}

export interface JudgeResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A root directory with apk in it; gone when disposed. */
export interface ApkJudge extends AsyncDisposable {
  readonly kind: "present";
  /** The directory that is the judge's "/". */
  readonly root: string;
  run(command: readonly string[]): Promise<JudgeResult>;
}

export type Judge = ApkJudge | { readonly kind: "absent"; readonly reason: string };

/** A fresh judge, or the reason why there is none. */
export async function apkJudge(): Promise<Judge> {
  const tarball = realData("alpine-minirootfs-3.19.4-x86_64.tar.gz");
  if (tarball === undefined) return { kind: "absent", reason: "the real minirootfs is not at hand" };
  if (process.getuid?.() !== 0) return { kind: "absent", reason: "chroot needs root" };
  if (process.arch !== "x64" || process.platform !== "linux")
    return { kind: "absent", reason: "apk is for x86_64" };
  const root = await mkdtemp(join(tmpdir(), "kelpie-apk-"));
  await run("tar", ["-xzf", tarball, "-C", root]);
  return {
    kind: "present",
    root,
    run: async (command) => {
      try {
        const { stdout, stderr } = await run(
          "chroot",
          [root, "/usr/bin/env", "-i", "PATH=/sbin:/bin:/usr/bin", ...command],
          {
            maxBuffer: 1 << 26,
          },
        );
        return { code: 0, stdout, stderr };
      } catch (error) {
        if (!isExit(error)) throw error;
        return { code: error.code, stdout: error.stdout, stderr: error.stderr };
      }
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

function isExit(error: unknown): error is { code: number; stdout: string; stderr: string } {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "stdout" in error;
}
