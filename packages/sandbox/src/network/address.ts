// IP addresses of both families: their forms, ranges of them, and which of them are of the public internet.

/** Four bytes of IPv4, or sixteen of IPv6. */
export type IpAddress = Uint8Array;

/** A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address. */
export interface IpRange {
  readonly network: IpAddress;
  readonly bits: number;
}

/** An address in its usual form, an IPv6 one without brackets and without a zone; undefined for anything else. */
export function parseAddress(text: string): IpAddress | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  return parts === undefined || parts.some((part) => part > 255) ? undefined : Uint8Array.from(parts);
}

/** RFC 4291, section 2.2. */
function parseIpv6(text: string): IpAddress | undefined {
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const embedded = tail === null ? undefined : parseIpv4(tail[2] ?? "");
  if (tail !== null && embedded === undefined) return undefined;
  const hex =
    tail === null || embedded === undefined ? text : `${tail[1] ?? ""}${groupsOf(embedded).join(":")}`;
  const halves = hex.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], end = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - end.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: halves.length === 2 ? missing : 0 }, () => "0"), ...end];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(
    groups.map((group) => Number.parseInt(group, 16)).flatMap((group) => [group >>> 8, group & 0xff]),
  );
}

/** The usual form of an address: RFC 5952 for IPv6. */
export function formatAddress(address: IpAddress): string {
  if (address.length === 4) return address.join(".");
  const text = groupsOf(address).join(":");
  // The first of the longest runs of two zeros or more is left out.
  const runs = [...text.matchAll(/\b0(?::0)+\b/g)].toSorted((a, b) => b[0].length - a[0].length);
  const [longest] = runs;
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index).replace(/:$/, "");
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, "");
  return `${before}::${after}`;
}

function groupsOf(address: IpAddress): string[] {
  return Array.from({ length: address.length / 2 }, (_, at) =>
    (((address[at * 2] ?? 0) << 8) | (address[at * 2 + 1] ?? 0)).toString(16),
  );
}

/** A form of an address to find it by. */
export function addressKey(address: IpAddress): string {
  return Buffer.from(address).toString("latin1");
}

/** `ADDRESS` or `ADDRESS/BITS`; undefined for anything else. */
export function parseRange(text: string): IpRange | undefined {
  const [address = "", bits, ...rest] = text.split("/");
  const network = parseAddress(address);
  if (network === undefined || rest.length > 0) return undefined;
  const width = network.length * 8;
  if (bits === undefined) return { network, bits: width };
  return /^\d{1,3}$/.test(bits) && Number(bits) <= width ? { network, bits: Number(bits) } : undefined;
}

export function formatRange({ network, bits }: IpRange): string {
  const text = formatAddress(network);
  return bits === network.length * 8 ? text : `${text}/${bits}`;
}

export function isInRange(address: IpAddress, { network, bits }: IpRange): boolean {
  if (address.length !== network.length) return false;
  const whole = bits >>> 3;
  for (let at = 0; at < whole; at += 1) if (address[at] !== network[at]) return false;
  const rest = bits & 7;
  return rest === 0 || ((address[whole] ?? 0) ^ (network[whole] ?? 0)) >>> (8 - rest) === 0;
}

const ranges = (texts: readonly string[]): readonly IpRange[] =>
  texts.flatMap((text) => parseRange(text) ?? []);

/** IANA's IPv4 Special-Purpose Address Registry: all that is not globally reachable, and multicast. */
const specialIpv4 = ranges([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
]);

/** All that is public of IPv6 lies in here (RFC 4291, section 2.4). */
const globalIpv6 = ranges(["2000::/3"]);
/** Of that: Teredo and other protocols' own, documentation, and 6to4, whose relays are gone (RFC 7526). */
const specialIpv6 = ranges(["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]);
/** It leads to the IPv4 address in its last bytes (RFC 6052), and is as public as that. */
const nat64 = ranges(["64:ff9b::/96"]);

/** Whether an address is of the public internet: no loopback, no private or local network, nothing that leads to one. */
export function isPublicAddress(address: IpAddress): boolean {
  const isIn = (range: IpRange): boolean => isInRange(address, range);
  if (address.length === 4) return !specialIpv4.some(isIn);
  if (nat64.some(isIn)) return isPublicAddress(address.subarray(12));
  return globalIpv6.some(isIn) && !specialIpv6.some(isIn);
}

/** Whether nothing of a range is public: who writes it means what is not. */
export function isNothingPublic(range: IpRange): boolean {
  const lies = (block: IpRange): boolean => block.bits <= range.bits && isInRange(range.network, block);
  if (range.network.length === 4) return specialIpv4.some(lies);
  const isOutside = range.bits >= 3 && !globalIpv6.some(lies);
  return isOutside || specialIpv6.some(lies);
}

const groups = ranges(["224.0.0.0/4", "255.255.255.255", "ff00::/8"]);
/** What has no meaning outside the link or the program that has it: link-local (it needs a zone), and IPv4 in IPv6's clothes. */
const local = ranges(["fe80::/10", "::ffff:0:0/96"]);

/** Whether a host can be connected to by this address: no multicast or broadcast, and none that means nothing without its link. */
export function isConnectable(address: IpAddress): boolean {
  return ![...groups, ...local].some((range) => isInRange(address, range));
}
