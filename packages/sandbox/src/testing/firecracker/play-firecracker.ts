// The played Firecracker as a program on the disk, and a monitor that runs it.

import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Architecture, type Platform, realPlatform } from "@kelpie/platform";
import { findFirecracker } from "../../vmm/firecracker/find-firecracker.ts";
import { firecrackerVmm } from "../../vmm/firecracker/firecracker-vmm.ts";
import type { BootImage, Vmm } from "../../vmm/vmm.ts";

/** A machine of the agent's own architecture, whatever this one is. */
const playedArchitecture: Architecture = "arm64";

/** Writes the program into `directory`. `agent`: the agent's program, or `played`. */
export async function writePlayedFirecracker(directory: string, agent: string): Promise<string> {
  const program = join(directory, "firecracker");
  const main = join(import.meta.dirname, "played-firecracker.ts");
  // It ends with its parent's death signal, as Firecracker does: the shell is gone by then.
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${main}" "${agent}" "$@"\n`);
  await chmod(program, 0o755);
  return program;
}

/** A platform on which the played program is the installed Firecracker, on a host of {@link playedArchitecture}. */
export function platformWith(program: string): Platform {
  const { processes, host } = realPlatform;
  return {
    ...realPlatform,
    // An ordinary user's monitor keeps its power: the agent in the guest's place must be able to become other users.
    host: { ...host, architecture: playedArchitecture, uid: 1000 },
    processes: {
      ...processes,
      find: (name) => (name === "firecracker" ? Promise.resolve(program) : processes.find(name)),
    },
  };
}

/** A Firecracker that is played, found as the real one is. */
export async function openPlayedFirecracker(home: string, agent: string): Promise<Vmm> {
  const platform = platformWith(await writePlayedFirecracker(home, agent));
  const installation = await findFirecracker(platform);
  if (installation === undefined) throw new TypeError("the played program was not found");
  return firecrackerVmm(platform, installation, home);
}

/** The header of an arm64 Image: its magic, and flags for pages of 4 KiB. */
export function playedKernel(): Buffer {
  const kernel = Buffer.alloc(4096);
  kernel.writeUInt8(2, 24);
  kernel.write("ARM\x64", 56, "latin1");
  return kernel;
}

/** Files that such a guest "boots" from. */
export async function writePlayedImage(directory: string): Promise<BootImage> {
  const image: BootImage = {
    architecture: playedArchitecture,
    rootfs: join(directory, "rootfs.ext4"),
    kernel: join(directory, "vmlinuz"),
    initrd: join(directory, "initrd"),
  };
  const rootfs = Buffer.alloc(1 << 20);
  rootfs.write("root", 0x2345);
  await writeFile(image.rootfs, rootfs);
  await writeFile(image.kernel, playedKernel());
  await writeFile(image.initrd, "initrd");
  return image;
}
