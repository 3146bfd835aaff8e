// What a spec names, opened and resolved: everything of a build that may reach the network.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import type { ResolvedPackage } from "@kelpie/repositories";
import type { GuestKernel } from "../kernel/guest-kernel.ts";
import type { KernelPlan } from "../plan/image-plan.ts";
import type { LockedImage } from "../plan/lock.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import { Repositories } from "./repositories.ts";
import { resolveKernel } from "./resolve-kernel.ts";
import { resolveUserland } from "./resolve-userland.ts";
import type { BuildServices } from "./services.ts";
import type { Userland } from "./userland.ts";

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

/** A spec's sources: what a plan says of them, and the way to the bytes. */
export interface Sources {
  readonly packages: readonly ResolvedPackage[];
  readonly kernel: KernelPlan;
  /** Downloads and verifies the userland, or takes it from the cache. */
  fetchUserland(note: (text: string) => void): Promise<Userland>;
  /** The same for the kernel. */
  fetchKernel(note: (text: string) => void): Promise<GuestKernel>;
}

/** @throws KelpieError `unreachable`, `unresolvable`, `signature-invalid`, `untrusted-key`, `invalid-input`. */
export async function openSources(options: SourceOptions, note: (text: string) => void): Promise<Sources> {
  const repositories = new Repositories(options, note);
  const userland = await resolveUserland(options, repositories);
  const kernel = await resolveKernel(options, repositories);
  return {
    packages: userland.packages,
    kernel: kernel.plan,
    fetchUserland: userland.fetch,
    fetchKernel: kernel.fetch,
  };
}

/** Where everything is kept that was downloaded. */
export function cacheDirectory({ home }: Pick<SourceOptions, "home">): string {
  return join(home, "cache");
}
