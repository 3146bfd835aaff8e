// What a person writes after `--net`: none, full, or the rules of `allow=`.

import { KelpieError } from "@kelpie/platform";
import { formatRange, isConnectable, parseAddress, parseRange } from "./address.ts";
import type { EgressRule, Transport } from "./policy.ts";

/** Without a port, the web's. */
const defaultPorts: readonly number[] = [80, 443];
const maxRules = 256;
const namePattern =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const maxNameLength = 253;

/** The network of a sandbox. */
export type NetworkMode =
  | { readonly kind: "none" }
  | { readonly kind: "full" }
  | { readonly kind: "allow"; readonly rules: readonly EgressRule[] };

/** `none`, `full` or `allow=HOST[:PORT][/udp],…`. @throws KelpieError `usage` */
export function parseNetworkMode(text: string): NetworkMode {
  if (text === "none" || text === "full") return { kind: text };
  const list = /^allow=(.+)$/.exec(text)?.[1];
  if (list === undefined) throw usage(text, "none, full or allow=HOST[:PORT][/udp],…");
  const rules = list.split(",").map(parseRule);
  if (rules.length > maxRules) throw usage(text, `at most ${maxRules} hosts`);
  return { kind: "allow", rules };
}

/** `HOST[:PORT][/tcp|/udp]`: a name, an IPv4 address or range, or one of IPv6 in brackets. @throws KelpieError `usage` */
export function parseRule(text: string): EgressRule {
  const [, whole = "", suffix] = /^(.*?)(?:\/(tcp|udp))?$/.exec(text.trim().toLowerCase()) ?? [];
  const transport: Transport = suffix === "udp" ? "udp" : "tcp";
  if (parseAddress(whole)?.length === 16)
    throw usage(text, `an IPv6 address in brackets: [${whole}] or [${whole}]:443`);
  const [, host = "", port] = /^(.*?)(?::(\d{1,5}))?$/.exec(whole) ?? [];
  const number = Number(port ?? 1);
  if (number < 1 || number > 65535) throw usage(text, "a port from 1 to 65535");
  if (port === undefined && transport === "udp") throw usage(text, `a port before /udp: ${host}:443/udp`);
  const ports = port === undefined ? defaultPorts : [number];
  const range = parseRange(/^\[([^\]]*:[^\]]*)\]$/.exec(host)?.[1] ?? (host.includes(":") ? "" : host));
  if (range !== undefined) {
    if (range.bits > 0 && !isConnectable(range.network))
      throw usage(
        text,
        "addresses that a host can be reached by from elsewhere: no multicast, none of one link (fe80::), IPv4 as IPv4",
      );
    return { kind: "addresses", range, transport, ports };
  }
  const name = host.replace(/\.$/, "");
  if (name.length > maxNameLength || !namePattern.test(name) || /^[\d.]+$/.test(name))
    throw usage(
      text,
      "a name such as example.org or *.example.org, an IPv4 address or range, or an IPv6 one in brackets, with or without :PORT",
    );
  const wildcard = name.startsWith("*.");
  return { kind: "name", name: wildcard ? name.slice(2) : name, wildcard, transport, ports };
}

/** As it was written, for {@link parseRule} to read. */
export function formatRule({ transport, ports, ...rule }: EgressRule): string {
  const host =
    rule.kind === "name"
      ? `${rule.wildcard ? "*." : ""}${rule.name}`
      : bracketed(formatRange(rule.range), rule.range.network.length);
  const [port] = ports;
  return `${ports.length > 1 || port === undefined ? host : `${host}:${port}`}${transport === "udp" ? "/udp" : ""}`;
}

/** An address with its port, as a person writes it. */
export function formatEndpoint(address: string, port: number): string {
  return `${bracketed(address, address.includes(":") ? 16 : 4)}:${port}`;
}

function bracketed(text: string, addressBytes: number): string {
  return addressBytes === 4 ? text : `[${text}]`;
}

function usage(found: string, expected: string): KelpieError {
  return new KelpieError("usage", "Cannot tell what the sandbox may reach", {
    expected,
    found: JSON.stringify(found.slice(0, 200)),
  });
}
