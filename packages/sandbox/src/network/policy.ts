// Which connections a guest may make: what a person writes after `--net allow=`, and the decisions that follow from it.

import { KelpieError } from "@kelpie/platform";
import {
  formatIpv4,
  type Ipv4Range,
  isInRange,
  isPublicAddress,
  parseIpv4,
  parseIpv4Range,
} from "./address.ts";

/** The name under which a guest reaches the host's own loopback, where that is allowed. */
export const hostName = "host.internal";

/** Without a port, the web's. */
const defaultPorts: readonly number[] = [80, 443];
const maxRules = 256;
const namePattern =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const maxNameLength = 253;

/** One part of `allow=`. */
export type EgressRule =
  /** A name, or all names below one: `*.example.org`. */
  | {
      readonly kind: "name";
      readonly name: string;
      readonly wildcard: boolean;
      readonly ports: readonly number[];
    }
  /** IPv4 addresses: reached directly, and where a name that is allowed leads to one that is not public. */
  | { readonly kind: "addresses"; readonly range: Ipv4Range; readonly ports: readonly number[] };

/** The network of a sandbox. */
export type NetworkMode =
  | { readonly kind: "none" }
  | { readonly kind: "full" }
  | { readonly kind: "allow"; readonly rules: readonly EgressRule[] };

/** `none`, `full` or `allow=HOST[:PORT],…`. @throws KelpieError `usage` */
export function parseNetworkMode(text: string): NetworkMode {
  if (text === "none" || text === "full") return { kind: text };
  const list = /^allow=(.+)$/.exec(text)?.[1];
  if (list === undefined) throw usage(text, "none, full or allow=HOST[:PORT],…");
  const rules = list.split(",").map(parseRule);
  if (rules.length > maxRules) throw usage(text, `at most ${maxRules} hosts`);
  return { kind: "allow", rules };
}

function parseRule(text: string): EgressRule {
  const [, host = "", port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text.trim().toLowerCase()) ?? [];
  const number = Number(port ?? 1);
  if (number < 1 || number > 65535) throw usage(text, "a port from 1 to 65535");
  const ports = port === undefined ? defaultPorts : [number];
  const range = parseIpv4Range(host);
  if (range !== undefined) return { kind: "addresses", range, ports };
  const name = normalizeName(host);
  if (name.length > maxNameLength || !namePattern.test(name) || /^[\d.]+$/.test(name))
    throw usage(
      text,
      "a name such as example.org or *.example.org, or an IPv4 address or range, with or without :PORT",
    );
  const wildcard = name.startsWith("*.");
  return { kind: "name", name: wildcard ? name.slice(2) : name, wildcard, ports };
}

/** As names are compared. */
function normalizeName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** Whether any port of `name` is allowed: whether the guest is told that it exists. */
export function isNameKnown(rules: readonly EgressRule[], name: string): boolean {
  return rules.some((rule) => rule.kind === "name" && matches(rule, name));
}

/** Whether a connection by this name to this port is allowed. */
export function isNameAllowed(rules: readonly EgressRule[], name: string, port: number): boolean {
  return rules.some((rule) => rule.kind === "name" && matches(rule, name) && rule.ports.includes(port));
}

/** Whether a connection to this IPv4 address, in its text form, is allowed without a name. */
export function isAddressAllowed(rules: readonly EgressRule[], address: string, port: number): boolean {
  const number = parseIpv4(address);
  if (number === undefined) return false;
  return rules.some(
    (rule) => rule.kind === "addresses" && isInRange(number, rule.range) && rule.ports.includes(port),
  );
}

/**
 * Of the addresses that a name has, those that may be connected to: public ones, and others only where they are allowed
 * themselves. So a name that is made to point into a private network leads nowhere.
 */
export function reachableAddresses(
  rules: readonly EgressRule[],
  addresses: readonly string[],
  port: number,
): readonly string[] {
  return addresses.filter((address) => isPublicAddress(address) || isAddressAllowed(rules, address, port));
}

/** As it was written. */
export function formatRule(rule: EgressRule): string {
  const host =
    rule.kind === "addresses"
      ? `${formatIpv4(rule.range.network)}${rule.range.bits === 32 ? "" : `/${rule.range.bits}`}`
      : `${rule.wildcard ? "*." : ""}${rule.name}`;
  return rule.ports === defaultPorts ? host : `${host}:${rule.ports.join("/")}`;
}

function matches({ name, wildcard }: Extract<EgressRule, { kind: "name" }>, asked: string): boolean {
  return wildcard ? asked.endsWith(`.${name}`) : asked === name;
}

function usage(found: string, expected: string): KelpieError {
  return new KelpieError("usage", "Cannot tell what the sandbox may reach", {
    expected,
    found: JSON.stringify(found.slice(0, 200)),
  });
}
