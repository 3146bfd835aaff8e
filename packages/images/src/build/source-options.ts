// What the sources of an image are opened with.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import type { LockedImage } from "../plan/lock.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import type { BuildServices } from "./services.ts";

export interface SourceOptions {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly spec: ImageSpec;
  /** Packages are those that it names, and nothing is looked up. */
  readonly lock: LockedImage | undefined;
  readonly services: BuildServices;
  /** `images/kernel` of a checkout: the options of Kelpie's kernel. */
  readonly kernelDirectory: string;
  /** SOURCE_DATE_EPOCH. */
  readonly timestampSeconds: number;
  readonly offline: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Where everything is kept that was downloaded. */
export function cacheDirectory({ home }: Pick<SourceOptions, "home">): string {
  return join(home, "cache");
}
