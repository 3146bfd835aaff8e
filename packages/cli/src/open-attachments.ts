// What the options of sandbox commands attach, opened.

import {
  type Attachment,
  openNetwork,
  openShares,
  parseMount,
  parseNetworkMode,
  parsePublish,
  parseTransport,
  parseWorkspace,
} from "@kelpie/sandbox";
import type { AttachmentValues } from "./attachment-options.ts";
import type { CommandContext } from "./command.ts";

/** What the options ask for; `log` is the file of the network's log, where it is not in the sandbox's directory. @throws KelpieError `usage`, `not-found` */
export async function openAll(
  { platform, home, signal }: Pick<CommandContext, "platform" | "home" | "signal">,
  options: AttachmentValues,
  log?: string,
): Promise<Attachment[]> {
  const { workingDirectory } = platform.host;
  const shares = [
    ...(options.workspace === undefined ? [] : [parseWorkspace(options.workspace, workingDirectory)]),
    ...(options.mount ?? []).map((text) => parseMount(text, workingDirectory)),
  ];
  const transport = parseTransport(options["workspace-transport"] ?? "auto");
  const mode = parseNetworkMode(options.net ?? "none");
  const network = openNetwork(platform, {
    mode,
    published: (options.publish ?? []).map(parsePublish),
    ...(log === undefined ? {} : { log }),
  });
  const attached = await openShares({ platform, home, shares, transport, signal });
  return network === undefined ? attached : [...attached, network];
}
