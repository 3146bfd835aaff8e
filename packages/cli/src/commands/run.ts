// kelpie run

import { KelpieError } from "@kelpie/platform";
import { workspaceTarget } from "@kelpie/sandbox";
import { attachmentOptions, isLeftToUs, openAttachments } from "../attachment-options.ts";
import { architectureOf } from "../architecture.ts";
import { imageForUse } from "../choose-image.ts";
import { command } from "../command.ts";
import { parseCount, parseMebibytes, parseSeconds } from "../quantity.ts";
import { runGuestCommand } from "../sandbox.ts";

export const run = command({
  positionals: "-- COMMAND [ARG…]",
  passThrough: true,
  errorExitCode: 125,
  options: {
    image: {
      type: "string",
      short: "i",
      value: "VERSION",
      help: "The image: a version, the beginning of one, a tag, a name or latest; fetched where it is missing [default: latest]",
    },
    arch: { type: "string", value: "ARCH", help: "amd64 or arm64 [default: this machine's]" },
    memory: {
      type: "string",
      short: "m",
      value: "SIZE",
      help: "Memory of the VM, in MiB or as 512M, 2G [default: 512]",
    },
    cpus: { type: "string", value: "N", help: "Processors of the VM [default: 1]" },
    timeout: {
      type: "string",
      value: "SECONDS",
      help: "End the command, and all that it started, after this long",
    },
    cold: { type: "boolean", help: "Boot, even where a saved sandbox could be restored" },
    timing: { type: "boolean", help: "Print how long each step took" },
    ...attachmentOptions,
    "net-log": {
      type: "string",
      value: "FILE",
      help: "Write every connection and denial of --net allow= to this file, as lines of JSON",
    },
  },
  details:
    "With a workspace the command starts in /workspace.\n\nExits as the command does: its code, 128 + N if signal N ended it, 124 at the timeout, 126 where the command is not\nexecutable, 127 where it is not found, 125 where Kelpie failed.",
  async run(context, { options, positionals }) {
    const [program, ...args] = positionals;
    if (program === undefined) {
      throw new KelpieError("usage", "There is no command to run", {
        help: "For example: kelpie run -- uname -a",
      });
    }
    const memoryMiB = options.memory === undefined ? undefined : parseMebibytes(options.memory);
    const cpus = options.cpus === undefined ? undefined : parseCount(options.cpus, "processors");
    const timeoutMs = options.timeout === undefined ? undefined : 1000 * parseSeconds(options.timeout);
    const architecture = architectureOf(context, options.arch);
    const image = await imageForUse(context, options.image ?? "latest", architecture);
    const attachments = await openAttachments(context, options, options["net-log"]);
    return runGuestCommand(context, {
      attachments,
      announceAttachments: isLeftToUs(options),
      ...(options.workspace === undefined ? {} : { cwd: workspaceTarget }),
      image,
      argv: [program, ...args],
      stdin: context.terminal.stdin,
      stdout: context.terminal.stdout,
      stderr: context.terminal.stderr,
      memoryMiB,
      cpus,
      timeoutMs,
      cold: options.cold,
      timing: options.timing,
    });
  },
});
