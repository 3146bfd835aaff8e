// What a spec asks for, resolved: known to the byte, and fetched only when it is wanted.

import type { ResolvedPackage } from "@kelpie/repositories";
import type { GuestKernel } from "../kernel/guest-kernel.ts";
import type { KernelPlan } from "../plan/image-plan.ts";
import type { Userland } from "./userland.ts";

export interface ResolvedUserland {
  readonly packages: readonly ResolvedPackage[];
  /** Downloads and verifies it, or takes it from the cache. `note` takes lines for a person. */
  readonly fetch: (note: (text: string) => void) => Promise<Userland>;
}

export interface ResolvedKernel {
  readonly plan: KernelPlan;
  /** As for the userland; a kernel of Kelpie's own is compiled where the cache has none. */
  readonly fetch: (note: (text: string) => void) => Promise<GuestKernel>;
}
