// What a build asks of others: package repositories, the guest's programs. A test puts its own in their place.

import type { Platform } from "@kelpie/platform";
import {
  type DebianRepository,
  openDebianThroughApt,
  type DebianThroughAptOptions,
} from "@kelpie/repositories";
import { type GuestBinaries, guestBinaries, type GuestBinariesOptions } from "../guest/guest-binaries.ts";

export interface BuildServices {
  openDebian(options: DebianThroughAptOptions & { readonly platform: Platform }): Promise<DebianRepository>;
  guestBinaries(options: GuestBinariesOptions): Promise<GuestBinaries>;
}

export const realServices: BuildServices = {
  openDebian: openDebianThroughApt,
  guestBinaries,
};
