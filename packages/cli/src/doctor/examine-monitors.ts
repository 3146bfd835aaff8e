// The doctor's look at the monitors: which are here, and which can run a guest of this machine's architecture.

import type { Platform } from "@kelpie/platform";
import { type BackendFinding, examineBackends } from "@kelpie/sandbox";
import type { Finding } from "./finding.ts";

/** One finding for each monitor that there is. */
export async function examineMonitors(
  platform: Platform,
  home: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { architecture } = platform.host;
  if (architecture === undefined) return [];
  const all = await examineBackends(platform, { architecture, home, signal });
  return all.map(({ name, finding }) => describe(name, finding));
}

function describe(name: string, finding: BackendFinding): Finding {
  const subject = `monitor ${name}`;
  const { found } = finding;
  switch (finding.kind) {
    case "usable":
      return { subject, verdict: "ok", found };
    case "unusable":
      return {
        subject,
        verdict: "limited",
        found: `${found}; not proven on this machine: ${finding.why}`,
        cost: `no sandbox with --vmm ${name}; QEMU does all that it does`,
      };
    case "missing": {
      const cost = `no sandbox with --vmm ${name}`;
      return {
        subject,
        verdict: "limited",
        found,
        cost,
        ...(finding.fix === undefined ? {} : { fix: finding.fix }),
      };
    }
    default:
      return finding satisfies never;
  }
}
