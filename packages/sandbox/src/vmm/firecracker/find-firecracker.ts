// Where Firecracker is, and which it is.

import { KelpieError, type Platform } from "@kelpie/platform";

/** An installed Firecracker. */
export interface FirecrackerInstallation {
  /** The absolute path of the program. */
  readonly program: string;
  /** As it says itself: `v1.12.0`. */
  readonly version: string;
  /** Changes when the program does: its path, size and time. */
  readonly buildId: string;
}

export const installFirecracker =
  "Put the program of a release of github.com/firecracker-microvm/firecracker on PATH as firecracker";

/** Finds it on PATH; undefined where it is not. `process-failed` for a program that is something else. */
export async function findFirecracker({
  processes,
  files,
}: Pick<Platform, "processes" | "files">): Promise<FirecrackerInstallation | undefined> {
  const program = await processes.find("firecracker");
  const status = program === undefined ? undefined : await files.stat(program);
  if (program === undefined || status === undefined) return undefined;
  const { stdout } = await processes.run(program, ["--version"], { timeoutMs: 10_000 });
  const version = /^Firecracker (v\d[\w.+-]{0,40})/m.exec(Buffer.from(stdout).toString("latin1"))?.[1];
  if (version === undefined) {
    throw new KelpieError("process-failed", "What is on PATH as firecracker is not Firecracker", {
      where: program,
    });
  }
  return { program, version, buildId: `${program}:${version}:${status.sizeBytes}:${status.mtimeMs}` };
}
