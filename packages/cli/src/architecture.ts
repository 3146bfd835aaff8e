// Which architecture a command is about.

import { type Architecture, architectures, KelpieError } from "@kelpie/platform";
import type { CommandContext } from "./command.ts";

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
