// What the parts of a guest's network share: the way to the guest.

import { addressKey, type IpAddress } from "./address.ts";
import type { FrameLink } from "./frame-link.ts";
import { guestAddresses, guestMac } from "./plan.ts";
import type { Mac } from "./packets/ethernet.ts";
import type { Ends } from "./packets/ip.ts";

export const gatewayMac: Mac = Uint8Array.from([0x52, 0x55, 10, 0, 2, 2]);
const macOfGuest: Mac = Uint8Array.from(guestMac.split(":").map((pair) => Number.parseInt(pair, 16)));

/** Our end of a connection as the guest sees it, and the guest's port. */
export interface ConnectionEnds {
  readonly address: IpAddress;
  readonly port: number;
  readonly guestPort: number;
}

export function keyOf({ address, port, guestPort }: ConnectionEnds): string {
  return `${guestPort}>${port}>${addressKey(address)}`;
}

/** See the head of this file. */
export class Wire {
  readonly #link: FrameLink;

  constructor(link: FrameLink) {
    this.#link = link;
  }

  get isCongested(): boolean {
    return this.#link.isCongested;
  }

  send(frame: Uint8Array): void {
    this.#link.send(frame);
  }

  /** From one of our addresses to the guest's of the same family. */
  endsFrom(source: IpAddress): Ends {
    const destination = guestAddresses.find(({ length }) => length === source.length) ?? source;
    return { sourceMac: gatewayMac, destinationMac: macOfGuest, source, destination };
  }
}
