// What a build asks of others: package repositories, the guest's programs. A test puts its own in their place.

import { type DebianRepository, openDebian, type OpenDebianOptions } from "@kelpie/repositories";
import { type GuestBinaries, guestBinaries, type GuestBinariesOptions } from "../guest/guest-binaries.ts";

export interface BuildServices {
  openDebian(options: OpenDebianOptions): Promise<DebianRepository>;
  guestBinaries(options: GuestBinariesOptions): Promise<GuestBinaries>;
}

export const realServices: BuildServices = {
  openDebian,
  guestBinaries,
};
