// Runs cargo for one program of the guest.

import type { Platform } from "@kelpie/platform";
import { runStep } from "../run-step.ts";

export interface CargoBuild {
  readonly program: string;
  readonly args: readonly string[];
  /** Cargo's whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The workspace. */
  readonly cwd: string;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

const timeoutMs = 1_800_000;

/** @throws KelpieError `process-failed` with the end of what cargo said, `timeout`, `cancelled`. */
export function runCargo(
  platform: Pick<Platform, "clock" | "processes">,
  { onProgress, ...build }: CargoBuild,
): Promise<void> {
  return runStep(platform, {
    ...build,
    what: "Compiling the guest's programs",
    onLine: (line) => {
      const text = line.trim();
      if (/^(?:Compiling|Downloading|Updating) /.test(text)) onProgress(text);
    },
    timeoutMs,
  });
}
