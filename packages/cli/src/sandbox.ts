// Running one command in a sandbox as the commands do it: image found, monitor opened, streams joined.

import type { Readable, Writable } from "node:stream";
import { bootFiles, ImageStore, type StoredImage } from "@kelpie/images";
import { type Attachment, openQemu, runInSandbox } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";
import { RunTiming } from "./output/run-timing.ts";

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
  /** Boots even where a template could be restored. */
  readonly cold?: boolean | undefined;
  /** Prints how long each step took. */
  readonly timing?: boolean | undefined;
  /** What of the world outside it gets; they are disposed with the sandbox. */
  readonly attachments?: readonly Attachment[];
  readonly announceAttachments?: boolean;
  readonly cwd?: string | undefined;
}

/** Starts a sandbox for one command. @returns its exit code. */
export async function runGuestCommand(context: CommandContext, guest: GuestCommand): Promise<number> {
  const { platform, terminal, home, signal } = context;
  const timing = guest.timing === true ? new RunTiming(context) : undefined;
  const { image, argv, stdin, stdout, stderr, memoryMiB, cpus, timeoutMs, attachments = [], cwd } = guest;
  const { announceAttachments = false } = guest;
  const { architecture } = image;
  await using _lease = await new ImageStore(platform, home).lease(image, { holder: `kelpie run ${argv[0]}` });
  const vmm = await openQemu(platform, { architecture, home, signal });
  if (vmm.notice !== undefined) terminal.stderr.write(`kelpie: ${vmm.notice}\n`);
  timing?.mark("open monitor");
  const code = await runInSandbox(
    {
      start: guest.cold === true ? "cold" : "auto",
      onStarted: (start) => {
        const why = start.kind === "cold" ? start.reason : undefined;
        if (why !== undefined) terminal.stderr.write(`kelpie: the sandbox booted anew: ${why}\n`);
        timing?.started(start);
      },
      platform,
      vmm,
      home,
      signal,
      image: bootFiles(image),
      ...(memoryMiB === undefined ? {} : { memoryMiB }),
      ...(cpus === undefined ? {} : { cpus }),
      attachments,
      announceAttachments,
      request: {
        argv,
        ...(cwd === undefined ? {} : { cwd }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(stdin === undefined ? {} : { stdin }),
      },
    },
    { stdout, stderr },
  );
  timing?.mark("run and remove");
  return code;
}
