// Which suite of which mirror is opened, and how.

import type { Platform } from "@kelpie/platform";
import type { DownloadRequest } from "../../download.ts";
import type { TrustedKeys } from "./signature.ts";

/** How the network is asked; the defaults are the downloader's. */
export type TransferOptions = Pick<DownloadRequest, "retry" | "timeouts">;

export interface SuiteOptions {
  readonly platform: Platform;
  /** URL that `dists/` and `pool/` stand under. */
  readonly mirror: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly architecture: string;
  readonly trusted: TrustedKeys;
  /** A release past its Valid-Until is taken, for archives of the past. */
  readonly allowExpired: boolean;
  readonly maxAgeMs: number;
  readonly offline: boolean;
  /** Of this suite alone. */
  readonly directory: string;
  readonly transfer: TransferOptions;
  readonly report: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Where the suite's Release files stand. */
export function suiteUrl({ mirror, suite }: Pick<SuiteOptions, "mirror" | "suite">): string {
  return `${mirror}/dists/${suite}`;
}
