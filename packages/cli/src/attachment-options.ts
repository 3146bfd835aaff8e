// What of the world outside a sandbox gets, as options of every command that makes one.

import type { Attachment } from "@kelpie/sandbox";
import type { CommandContext, OptionValues } from "./command.ts";

/** Spread into the options of a command that makes a sandbox. */
export const attachmentOptions = {
  workspace: {
    type: "string",
    short: "w",
    value: "DIR[:ro]",
    help: "A directory of this machine to be the sandbox's /workspace",
  },
  mount: {
    type: "string",
    multiple: true,
    value: "SRC:DST[:ro]",
    help: "A further directory and its place in the sandbox; any number of times",
  },
  "workspace-transport": {
    type: "string",
    value: "WAY",
    help: "How directories get there: virtiofs, 9p, disk or auto (docs/workspace.md) [default: auto]",
  },
  net: {
    type: "string",
    value: "NETWORK",
    help: "none, full, or allow=HOST[:PORT][/udp],… for those alone (docs/network.md) [default: none]",
  },
  publish: {
    type: "string",
    short: "p",
    multiple: true,
    value: "[ADDRESS:]PORT:PORT",
    help: "A port of this machine that leads to one of the sandbox; any number of times",
  },
} as const;

export type AttachmentValues = OptionValues<typeof attachmentOptions>;

/** What the options ask for; `log` is the file of the network's log, where it is not in the sandbox's directory. @throws KelpieError `usage`, `not-found` */
export async function openAttachments(
  context: Pick<CommandContext, "platform" | "home" | "signal">,
  options: AttachmentValues,
  log?: string,
): Promise<Attachment[]> {
  const { workspace, mount, net, publish } = options;
  const asked = [workspace, mount, options["workspace-transport"], net, publish, log];
  if (asked.every((value) => value === undefined)) return [];
  // Loaded only here: networks and shares are much code, and most commands have none.
  const { openAll } = await import("./open-attachments.ts");
  return await openAll(context, options, log);
}

/** Whether a person wants to be told how their directories get there. */
export function isLeftToUs(options: AttachmentValues): boolean {
  const hasShares = options.workspace !== undefined || options.mount !== undefined;
  return hasShares && (options["workspace-transport"] ?? "auto") === "auto";
}
