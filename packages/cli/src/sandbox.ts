// Running one command in a sandbox as the commands do it: image found, monitor opened, streams joined.

import type { Readable, Writable } from "node:stream";
import { imageFile, ImageStore, type StoredImage } from "@kelpie/images";
import { openQemu, runInSandbox } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";

export interface GuestCommand {
  readonly image: StoredImage;
  readonly argv: readonly [string, ...string[]];
  /** Nothing is read when absent. */
  readonly stdin?: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly memoryMiB?: number | undefined;
  readonly cpus?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Boots a sandbox for one command. @returns its exit code. */
export async function runGuestCommand(context: CommandContext, guest: GuestCommand): Promise<number> {
  const { platform, terminal, home, signal } = context;
  const { image, argv, stdin, stdout, stderr, memoryMiB, cpus, timeoutMs } = guest;
  const { architecture } = image;
  await using _lease = await new ImageStore(platform, home).lease(image, { holder: `kelpie run ${argv[0]}` });
  const vmm = await openQemu(platform, { architecture, home, signal });
  if (vmm.notice !== undefined) terminal.stderr.write(`kelpie: ${vmm.notice}\n`);
  return await runInSandbox(
    {
      platform,
      vmm,
      home,
      signal,
      image: {
        architecture,
        rootfs: imageFile(image, "rootfs.ext4"),
        kernel: imageFile(image, "vmlinuz"),
        initrd: imageFile(image, "initrd"),
      },
      ...(memoryMiB === undefined ? {} : { memoryMiB }),
      ...(cpus === undefined ? {} : { cpus }),
      request: {
        argv,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(stdin === undefined ? {} : { stdin }),
      },
    },
    { stdout, stderr },
  );
}
