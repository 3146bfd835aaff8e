// Which connections a guest may make: the rules of `--net allow=`, and the decisions that follow from them.

import {
  type IpAddress,
  type IpRange,
  isConnectable,
  isInRange,
  isNothingPublic,
  isPublicAddress,
  parseAddress,
} from "./address.ts";

/** The name under which a guest reaches the host's own loopback, where that is allowed. */
export const hostName = "host.internal";

export type Transport = "tcp" | "udp";

/** What a connection or a flow of datagrams is to. */
export interface Target {
  readonly transport: Transport;
  readonly port: number;
}

/** One part of `allow=`. */
export type EgressRule =
  /** A name, or all names below one: `*.example.org`. */
  | {
      readonly kind: "name";
      readonly name: string;
      readonly wildcard: boolean;
      readonly transport: Transport;
      readonly ports: readonly number[];
    }
  /** Addresses: reached directly, and where a name that is allowed leads to one that is not public. */
  | {
      readonly kind: "addresses";
      readonly range: IpRange;
      readonly transport: Transport;
      readonly ports: readonly number[];
    };

/** Whether any port of `name` is allowed: whether the guest is told that it exists. */
export function isNameKnown(rules: readonly EgressRule[], name: string): boolean {
  return rules.some((rule) => rule.kind === "name" && matches(rule, name));
}

/** Whether a connection by this name is allowed. */
export function isNameAllowed(rules: readonly EgressRule[], name: string, target: Target): boolean {
  return rules.some((rule) => rule.kind === "name" && matches(rule, name) && isFor(rule, target));
}

/**
 * Whether a connection to this address is allowed without a name. What is not public is only by a rule that names nothing
 * public: who writes 0.0.0.0/0 means the internet, not the host's neighbours.
 */
export function isAddressAllowed(rules: readonly EgressRule[], address: IpAddress, target: Target): boolean {
  if (!isConnectable(address)) return false;
  const isPublic = isPublicAddress(address);
  return rules.some(
    (rule) =>
      rule.kind === "addresses" &&
      isFor(rule, target) &&
      isInRange(address, rule.range) &&
      (isPublic || isNothingPublic(rule.range)),
  );
}

/**
 * Of the addresses that a name has, those that may be connected to: public ones, and others only where they are allowed
 * themselves. So a name that is made to point into a private network leads nowhere.
 */
export function reachableAddresses(
  rules: readonly EgressRule[],
  addresses: readonly string[],
  target: Target,
): readonly string[] {
  return addresses.filter((text) => {
    const address = parseAddress(text);
    return address !== undefined && (isPublicAddress(address) || isAddressAllowed(rules, address, target));
  });
}

function isFor(rule: EgressRule, { transport, port }: Target): boolean {
  return rule.transport === transport && rule.ports.includes(port);
}

function matches({ name, wildcard }: Extract<EgressRule, { kind: "name" }>, asked: string): boolean {
  return wildcard ? asked.endsWith(`.${name}`) : asked === name;
}
