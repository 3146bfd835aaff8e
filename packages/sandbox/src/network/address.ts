// IP addresses: their forms, and which of them are of the public internet.

/** The four bytes of an IPv4 address as one number, or undefined for anything else. */
export function parseIpv4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** The eight 16-bit groups of an IPv6 address (RFC 4291, section 2.2), or undefined for anything else. */
export function parseIpv6(text: string): readonly number[] | undefined {
  const bare = text.split("%")[0] ?? "";
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  const embedded = tail === null ? undefined : parseIpv4(tail[2] ?? "");
  if (tail !== null && embedded === undefined) return undefined;
  const hex =
    tail === null || embedded === undefined
      ? bare
      : `${tail[1] ?? ""}${(embedded >>> 16).toString(16)}:${(embedded & 0xffff).toString(16)}`;
  const halves = hex.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], end = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - end.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: halves.length === 2 ? missing : 0 }, () => "0"), ...end];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.map((group) => Number.parseInt(group, 16));
}

/** A range of IPv4 addresses: `10.0.0.0/8`, or one address. */
export interface Ipv4Range {
  readonly network: number;
  readonly bits: number;
}

/** `A.B.C.D` or `A.B.C.D/BITS`; undefined for anything else. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const [address = "", bits = "32", ...rest] = text.split("/");
  const network = parseIpv4(address);
  if (network === undefined || rest.length > 0 || !/^\d{1,2}$/.test(bits) || Number(bits) > 32)
    return undefined;
  return { network, bits: Number(bits) };
}

export function isInRange(address: number, { network, bits }: Ipv4Range): boolean {
  return bits === 0 || (address ^ network) >>> (32 - bits) === 0;
}

/** IANA's IPv4 Special-Purpose Address Registry: all that is not globally reachable, and multicast. */
const specialIpv4 = [
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
].flatMap((text) => parseIpv4Range(text) ?? []);

/** Whether an address is of the public internet: no loopback, no private or local network, nothing that leads to one. */
export function isPublicAddress(text: string): boolean {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return !specialIpv4.some((range) => isInRange(v4, range));
  const groups = parseIpv6(text);
  if (groups === undefined) return false;
  const [first = 0, second = 0] = groups;
  const embedded = (at: number): boolean =>
    isPublicAddress(formatIpv4((groups[at] ?? 0) * 65536 + (groups[at + 1] ?? 0)));
  // Of 2000::/3, which is all that is public, but for what carries an IPv4 address within (6to4), Teredo and documentation;
  // and NAT64, which is as public as what it leads to.
  if (first === 0x64 && second === 0xff9b && groups.slice(2, 6).every((group) => group === 0))
    return embedded(6);
  if (first >>> 13 !== 1) return false;
  if (first === 0x2002) return embedded(1);
  if (first === 0x2001 && (second < 0x200 || second === 0xdb8)) return false;
  return !(first === 0x3fff && second < 0x1000);
}
