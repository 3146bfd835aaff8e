// The addresses of a guest's network: those of QEMU's own user-mode network, so that both look the same from inside.

import { parseIpv4 } from "./address.ts";

const number = (text: string): number => parseIpv4(text) ?? 0;

export const guestMac = "52:54:00:6b:65:6c";
export const networkPlan = {
  guest: "10.0.2.15",
  prefixBits: 24,
  gateway: "10.0.2.2",
  nameServer: "10.0.2.3",
} as const;

export const guestAddress = number(networkPlan.guest);
/** The host itself, to a guest that may reach it. */
export const gatewayAddress = number(networkPlan.gateway);
export const nameServerAddress = number(networkPlan.nameServer);
/** Names have addresses of 198.18.0.0/15 (RFC 2544), which are nobody's: a guest never learns a real one. */
export const firstNameAddress = number("198.18.0.1");
export const nameAddressCount = 4096;

/** Larger frames cost an emulated guest less: a packet's price is in its number. */
export const mtu = 16_000;
