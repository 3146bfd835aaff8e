// Where QEMU is, and what this build of it is.

import { dirname, join } from "node:path";
import { type Architecture, KelpieError, type Platform } from "@kelpie/platform";
import { qemuProgram } from "./machine.ts";

/** An installed QEMU. */
export interface QemuInstallation {
  /** The absolute path of the program. */
  readonly program: string;
  /** Changes when the program does: its path, size and time. */
  readonly buildId: string;
  /** A firmware that boots a kernel about 0.3 s sooner under emulation, where this QEMU has it. */
  readonly quickFirmware: string | undefined;
}

/** Finds QEMU for guests of `architecture` on PATH; `missing-tool` with the command that installs it. */
export async function findQemu(
  { processes, files, host }: Pick<Platform, "processes" | "files" | "host">,
  architecture: Architecture,
): Promise<QemuInstallation> {
  const { command, debianPackage } = qemuProgram[architecture];
  const program = await processes.find(command);
  const status = program === undefined ? undefined : await files.stat(program);
  if (program === undefined || status === undefined) {
    throw new KelpieError("missing-tool", `${command} is not installed`, {
      help:
        host.operatingSystem === "darwin"
          ? "brew install qemu"
          : `sudo apt-get install -y --no-install-recommends ${debianPackage}`,
    });
  }
  return {
    program,
    buildId: `${program}:${status.sizeBytes}:${status.mtimeMs}`,
    quickFirmware: architecture === "amd64" ? await findQboot(files, program) : undefined,
  };
}

async function findQboot(files: Platform["files"], program: string): Promise<string | undefined> {
  const path = join(dirname(await files.realPath(program)), "..", "share", "qemu", "qboot.rom");
  return (await files.stat(path)) === undefined ? undefined : path;
}
