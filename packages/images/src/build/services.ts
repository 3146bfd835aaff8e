// What a build asks of others: package repositories, the guest's programs, a compiled kernel. A test puts its own in their place.

import {
  type AlpineOptions,
  type AlpineRepository,
  type DebianRepository,
  openAlpineRepositories,
  openDebian,
  type OpenDebianOptions,
} from "@kelpie/repositories";
import type { Architecture, Platform } from "@kelpie/platform";
import { buildKernel, type KernelBuildOptions } from "../kernel/build/build-kernel.ts";
import type { BuiltKernel } from "../kernel/build/built-kernel.ts";
import { findKernelTools, type KernelTools } from "../kernel/build/kernel-tools.ts";
import { type GuestBinaries, guestBinaries, type GuestBinariesOptions } from "../guest/guest-binaries.ts";

export interface BuildServices {
  openAlpine(options: AlpineOptions): Promise<AlpineRepository>;
  openDebian(options: OpenDebianOptions): Promise<DebianRepository>;
  guestBinaries(options: GuestBinariesOptions): Promise<GuestBinaries>;
  findKernelTools(
    platform: Pick<Platform, "processes" | "host">,
    architecture: Architecture,
    signal?: AbortSignal,
  ): Promise<KernelTools>;
  buildKernel(options: KernelBuildOptions): Promise<BuiltKernel>;
}

export const realServices: BuildServices = {
  openAlpine: openAlpineRepositories,
  openDebian,
  guestBinaries,
  findKernelTools,
  buildKernel,
};
