// What a build asks of others: package repositories, the guest's programs. A test puts its own in their place.

import {
  type AlpineOptions,
  type AlpineRepository,
  type DebianRepository,
  openAlpineRepositories,
  openDebian,
  type OpenDebianOptions,
} from "@kelpie/repositories";
import { type GuestBinaries, guestBinaries, type GuestBinariesOptions } from "../guest/guest-binaries.ts";

export interface BuildServices {
  openAlpine(options: AlpineOptions): Promise<AlpineRepository>;
  openDebian(options: OpenDebianOptions): Promise<DebianRepository>;
  guestBinaries(options: GuestBinariesOptions): Promise<GuestBinaries>;
}

export const realServices: BuildServices = {
  openAlpine: openAlpineRepositories,
  openDebian,
  guestBinaries,
};
