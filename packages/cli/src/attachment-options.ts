// What of the world outside a sandbox gets, as options of every command that makes one.

import { type Attachment, openShares, parseMount, parseTransport, parseWorkspace } from "@kelpie/sandbox";
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
} as const;

export type AttachmentValues = OptionValues<typeof attachmentOptions>;

/** What the options ask for; where the way was left to us, the choice is told. @throws KelpieError `usage`, `not-found` */
export async function openAttachments(
  { platform, home, signal }: CommandContext,
  options: AttachmentValues,
): Promise<Attachment[]> {
  const { workingDirectory } = platform.host;
  const shares = [
    ...(options.workspace === undefined ? [] : [parseWorkspace(options.workspace, workingDirectory)]),
    ...(options.mount ?? []).map((text) => parseMount(text, workingDirectory)),
  ];
  const transport = parseTransport(options["workspace-transport"] ?? "auto");
  return await openShares({ platform, home, shares, transport, signal });
}

/** Whether a person wants to be told what was chosen for them. */
export function isLeftToUs(options: AttachmentValues): boolean {
  return (options["workspace-transport"] ?? "auto") === "auto";
}
