// Options of the commands that make a sandbox, and the sandbox that they describe.

import type { StoredImage } from "@kelpie/images";
import { KelpieError, type Terminal } from "@kelpie/platform";
import {
  type GuestStart,
  type KeepSandbox,
  maxPids,
  parseAgentTransport,
  parseVmmChoice,
  Sandbox,
  type SandboxOptions,
} from "@kelpie/sandbox";
import { architectureOf } from "./architecture.ts";
import { type AttachmentValues, isLeftToUs, openAttachments } from "./attachment-options.ts";
import { imageForUse } from "./choose-image.ts";
import type { CommandContext, OptionValues } from "./command.ts";
import { parseBytes, parseCount, parseMebibytes, parseSeconds } from "./quantity.ts";

/** Spread into the options of a command that makes a sandbox. */
export const sandboxOptions = {
  image: {
    type: "string",
    short: "i",
    value: "VERSION",
    help: "The image: a version, the beginning of one, a tag, a name or latest; fetched where it is missing [default: latest]",
  },
  arch: { type: "string", value: "ARCH", help: "amd64 or arm64 [default: this machine's]" },
  memory: { type: "string", short: "m", value: "SIZE", help: "Memory, in MiB or as 512M, 2G [default: 512]" },
  cpus: { type: "string", value: "N", help: "Processors [default: 1]" },
  disk: { type: "string", value: "SIZE", help: "Size of the root disk, as 10G [default: the image's own]" },
  pids: {
    type: "string",
    value: "N",
    help: "Processes that one command may have with all it starts [default: no limit]",
  },
  env: {
    type: "string",
    short: "e",
    multiple: true,
    value: "NAME=VALUE",
    help: "A variable of every command; any number of times",
  },
  vmm: {
    type: "string",
    value: "NAME",
    help: "What runs the machine: qemu, another that is installed, or auto [default: KELPIE_VMM, or auto]",
  },
  "agent-transport": {
    type: "string",
    value: "WAY",
    help: "How its agent is reached: auto, virtio-serial, vsock, vhost-vsock or vhost-user-vsock [default: auto]",
  },
  cold: { type: "boolean", help: "Boot, even where a saved sandbox could be restored" },
} as const;

/** How long one that lives on does so. */
export const lifeOptions = {
  name: { type: "string", value: "NAME", help: "What to call it [default: a friendly name]" },
  ttl: {
    type: "string",
    value: "TIME",
    help: "End it this long after its start, as 90s, 5m, 1h [default: never]",
  },
  "idle-timeout": {
    type: "string",
    value: "TIME",
    help: "End it when no command was connected for this long [default: never]",
  },
  rm: { type: "boolean", help: "Remove all that is left of it when it has ended" },
} as const;

export type SandboxValues = OptionValues<typeof sandboxOptions>;
export type LifeValues = OptionValues<typeof lifeOptions>;

/** The sandbox that the options describe, nothing attached. What is wrong with the words is said before anything is fetched. */
export async function describeSandbox(
  context: CommandContext,
  options: SandboxValues,
): Promise<SandboxOptions> {
  const { memory, cpus, disk, pids, env, cold, vmm, "agent-transport": transport } = options;
  const shape = {
    ...(memory === undefined ? {} : { memoryMiB: parseMebibytes(memory) }),
    ...(cpus === undefined ? {} : { cpus: parseCount(cpus, "processors") }),
    ...(disk === undefined ? {} : { diskBytes: parseBytes(disk) }),
    ...(pids === undefined ? {} : { pidsLimit: parsePids(pids) }),
    ...(env === undefined ? {} : { env: parseEnvironment(env) }),
    ...(vmm === undefined ? {} : { vmm: parseVmmChoice(vmm) }),
    ...(transport === undefined ? {} : { agentTransport: parseAgentTransport(transport) }),
    ...(cold === true ? { start: "cold" as const } : {}),
  };
  const image = await imageForUse(context, options.image ?? "latest", architectureOf(context, options.arch));
  return { ...sandboxOf(context, image), ...shape };
}

/** A sandbox of an image, for a command: all else is as by default. */
export function sandboxOf(
  { platform, terminal, home, signal }: CommandContext,
  image: StoredImage,
): SandboxOptions {
  const onNotice = (notice: string): void => void terminal.stderr.write(`kelpie: ${notice}\n`);
  return { platform, home, signal, image, onNotice };
}

/** Makes the sandbox that the options describe, with what is attached; one that lives on where `keep` is given. */
export async function makeSandbox(
  context: CommandContext,
  options: SandboxValues,
  { keep, attached = {} }: { readonly keep?: KeepSandbox; readonly attached?: AttachmentValues },
): Promise<Sandbox> {
  const { terminal } = context;
  const described = await describeSandbox(context, options);
  const attachments = await openAttachments(context, attached);
  const sandbox = await Sandbox.create({
    ...described,
    attachments,
    ...(keep === undefined ? {} : { keep }),
  });
  if (isLeftToUs(attached)) {
    for (const { description } of attachments) terminal.stderr.write(`kelpie: ${description}\n`);
  }
  sayWhyBooted(terminal, sandbox.start);
  return sandbox;
}

/** Says why a sandbox booted that could have been restored. */
export function sayWhyBooted({ stderr }: Terminal, start: GuestStart | undefined): void {
  const why = start?.kind === "cold" ? start.reason : undefined;
  if (why !== undefined) stderr.write(`kelpie: the sandbox booted anew: ${why}\n`);
}

/** The options of a life as the library takes them. */
export function keepFrom(options: LifeValues): KeepSandbox {
  const { name, ttl, rm } = options;
  const idle = options["idle-timeout"];
  return {
    ...(name === undefined ? {} : { name }),
    ...(ttl === undefined ? {} : { ttlMs: 1000 * parseSeconds(ttl) }),
    ...(idle === undefined ? {} : { idleTimeoutMs: 1000 * parseSeconds(idle) }),
    removeAtEnd: rm === true,
  };
}

/** `NAME=VALUE` each. @throws KelpieError `usage`. */
export function parseEnvironment(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at > 0) return [word.slice(0, at), word.slice(at + 1)];
      throw new KelpieError("usage", "A variable is not as expected", {
        expected: "NAME=VALUE",
        found: JSON.stringify(word.slice(0, 100)),
      });
    }),
  );
}

function parsePids(text: string): number {
  const pids = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (pids > 0 && pids <= maxPids) return pids;
  throw new KelpieError("usage", "A number of processes is not as expected", {
    expected: `1 to ${maxPids}`,
    found: JSON.stringify(text.slice(0, 40)),
  });
}
