// Where Kelpie's kernel comes from: the source that Debian's stable release keeps repaired, verified as every package.

import { join } from "node:path";
import type { Architecture, Platform } from "@kelpie/platform";
import { type DebianRepository, openDebian } from "@kelpie/repositories";

/** Debian's package of the whole source of its kernel. */
export const kernelSourcePackage = "linux-source-6.1";

export interface KernelRepositoryOptions {
  readonly platform: Platform;
  readonly home: string;
  readonly architecture: Architecture;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Debian's repository, from which the source comes whatever distribution an image is of. @throws as `openDebian`. */
export function kernelRepository(options: KernelRepositoryOptions): Promise<DebianRepository> {
  const { platform, home, architecture, onProgress, signal } = options;
  return openDebian({
    platform,
    cacheDirectory: join(home, "cache"),
    architecture,
    report: onProgress,
    signal,
  });
}
