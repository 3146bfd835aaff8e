// The addresses of a guest's network: of IPv4 those of QEMU's own user-mode network, so that both look the same from inside.

import { type IpAddress, parseAddress } from "./address.ts";

const fixed = (text: string): IpAddress => parseAddress(text) ?? new Uint8Array(4);

export const guestMac = "52:54:00:6b:65:6c";
export const networkPlan = {
  guest: "10.0.2.15",
  prefixBits: 24,
  gateway: "10.0.2.2",
  nameServer: "10.0.2.3",
} as const;

/** A network of RFC 4193's that is nobody's. */
export const networkPlan6 = {
  guest: "fd6b:656c:7069::15",
  prefixBits: 64,
  gateway: "fd6b:656c:7069::2",
} as const;

export const guestAddresses: readonly IpAddress[] = [fixed(networkPlan.guest), fixed(networkPlan6.guest)];
/** The host itself, to a guest that may reach it. */
export const gatewayAddress = fixed(networkPlan.gateway);
export const gatewayAddress6 = fixed(networkPlan6.gateway);
export const nameServerAddress = fixed(networkPlan.nameServer);

/**
 * Names have addresses of 198.18.0.0/15 (RFC 2544) and of a network of RFC 4193's, which are nobody's: a guest never learns a
 * real one. Either stands for the name, whatever families the name has outside.
 */
const firstNameAddress = fixed("198.18.0.0");
const firstNameAddress6 = fixed("fd6b:656c:7069:1::");
export const nameAddressCount = 4096;

/** The addresses of the name with this number, from 1 on. */
export function nameAddresses(number: number): { readonly ipv4: IpAddress; readonly ipv6: IpAddress } {
  const numbered = (first: IpAddress): IpAddress => {
    const address = first.slice();
    new DataView(address.buffer).setUint16(address.length - 2, number);
    return address;
  };
  return { ipv4: numbered(firstNameAddress), ipv6: numbered(firstNameAddress6) };
}

/** Larger frames cost an emulated guest less: a packet's price is in its number. */
export const mtu = 16_000;
