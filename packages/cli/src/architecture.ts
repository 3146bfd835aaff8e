// Which architecture a command is about, or which ones.

import { type Architecture, architectures, KelpieError } from "@kelpie/platform";
import type { CommandContext, OptionSpec } from "./command.ts";

/** What {@link architecturesOf} takes. */
export const architecturesOption = {
  type: "string",
  value: "ARCH",
  help: "amd64, arm64 or all [default: this machine's]",
} as const satisfies OptionSpec;

/** The architectures that an option names: one, this machine's, or every one for "all". */
export function architecturesOf(
  context: CommandContext,
  option: string | undefined,
): readonly Architecture[] {
  return option === "all" ? architectures : [architectureOf(context, option)];
}

/** The architecture that an option names; this machine's where it names none. */
export function architectureOf(context: CommandContext, option: string | undefined): Architecture {
  const { architecture } = context.platform.host;
  if (option === undefined && architecture !== undefined) return architecture;
  const found = architectures.find((candidate) => candidate === option);
  if (found !== undefined) return found;
  throw new KelpieError("usage", "There is no such architecture", {
    expected: architectures.join(" or "),
    found: option ?? "a machine of another kind",
  });
}
