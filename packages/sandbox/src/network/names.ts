// The addresses that stand for names inside a guest's network.

import { addressKey, type IpAddress } from "./address.ts";
import { gatewayAddress, gatewayAddress6, nameAddressCount, nameAddresses } from "./plan.ts";
import { hostName } from "./policy.ts";

/** The address of a name in either family. */
export interface StandIn {
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
}

/** A name keeps its addresses for as long as the network lives. */
export class Names {
  readonly #addresses = new Map<string, StandIn>();
  readonly #names = new Map<string, string>();

  constructor() {
    this.#add(hostName, { ipv4: gatewayAddress, ipv6: gatewayAddress6 });
  }

  /** The name that an address stands for. */
  nameOf(address: IpAddress): string | undefined {
    return this.#names.get(addressKey(address));
  }

  /** Undefined when there are as many names as can be. */
  addressesOf(name: string): StandIn | undefined {
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    const number = this.#addresses.size;
    return number > nameAddressCount ? undefined : this.#add(name, nameAddresses(number));
  }

  #add(name: string, addresses: StandIn): StandIn {
    this.#addresses.set(name, addresses);
    this.#names.set(addressKey(addresses.ipv4), name);
    this.#names.set(addressKey(addresses.ipv6), name);
    return addresses;
  }
}
