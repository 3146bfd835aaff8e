// Which processor a guest sees where it sees the host's own (`-cpu host`): a saved state is good only for the same.

import { createHash } from "node:crypto";
import { type Files, readTextIfPresent } from "@kelpie/platform";
import type { Accelerator } from "./accelerator.ts";

const limitBytes = 16 << 20;
/** What /proc/cpuinfo says of a core's kind, by the names of x86 and arm64. */
const telling =
  /^(?:vendor_id|cpu family|model|model name|stepping|microcode|flags|CPU \w+|Features)\s*:.*$/gm;

/** Empty under emulation, whose processor is the one that the command line names. */
export async function processorIdentity(files: Files, accelerator: Accelerator): Promise<string> {
  if (accelerator === "tcg") return "";
  const text = (await readTextIfPresent(files, "/proc/cpuinfo", limitBytes)) ?? "";
  const kinds = new Set(text.match(telling) ?? []);
  return createHash("sha256")
    .update([...kinds].sort().join("\n"))
    .digest("hex");
}
