// IPv4 and IPv6 packets (RFC 791, 8200) and the internet checksum (RFC 1071).

import type { IpAddress } from "../address.ts";
import { ethernetFrame, ethernetHeaderBytes, etherType, type Mac, viewOf } from "./ethernet.ts";

export const protocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

const ipv4Header = 20;
const ipv6Header = 40;
const hops = 64;
/** Who asks for a neighbour's address must be one: a packet that was forwarded has fewer (RFC 4861, section 7.1.1). */
const neighbourHops = 255;

export interface IpPacket {
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly payload: Uint8Array;
  /** The whole packet, header and payload. */
  readonly bytes: Uint8Array;
}

/** Both ends of a frame: addresses of one family. */
export interface Ends {
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

/** The bytes of a header of this address's family. */
export function headerBytesOf(address: IpAddress): number {
  return address.length === 4 ? ipv4Header : ipv6Header;
}

/** Unfragmented, with a right header checksum. */
export function parseIpv4Packet(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < ipv4Header || (bytes[0] ?? 0) >>> 4 !== 4) return undefined;
  const view = viewOf(bytes);
  const headerBytes = ((bytes[0] ?? 0) & 15) * 4;
  const total = view.getUint16(2);
  const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
  if (headerBytes < ipv4Header || total < headerBytes || total > bytes.length || isFragment) return undefined;
  if (finish(sum(bytes.subarray(0, headerBytes), 0)) !== 0) return undefined;
  return {
    protocol: view.getUint8(9),
    source: bytes.subarray(12, 16),
    destination: bytes.subarray(16, 20),
    payload: bytes.subarray(headerBytes, total),
    bytes: bytes.subarray(0, total),
  };
}

/** Without extension headers: what has them is a fragment, or says something to routers. */
export function parseIpv6Packet(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < ipv6Header || (bytes[0] ?? 0) >>> 4 !== 6) return undefined;
  const view = viewOf(bytes);
  const total = ipv6Header + view.getUint16(4);
  if (total > bytes.length) return undefined;
  return {
    protocol: view.getUint8(6),
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, 40),
    payload: bytes.subarray(ipv6Header, total),
    bytes: bytes.subarray(0, total),
  };
}

/** A frame with an IP header; the payload that is handed back with it is still zero. */
export function ipFrame(
  ends: Ends,
  kind: number,
  payloadBytes: number,
): { readonly frame: Uint8Array; readonly payload: Uint8Array } {
  const headerBytes = headerBytesOf(ends.source);
  const type = headerBytes === ipv4Header ? etherType.ipv4 : etherType.ipv6;
  const frame = ethernetFrame(ends.sourceMac, ends.destinationMac, type, headerBytes + payloadBytes);
  const header = frame.subarray(ethernetHeaderBytes, ethernetHeaderBytes + headerBytes);
  const view = viewOf(header);
  if (headerBytes === ipv4Header) {
    view.setUint8(0, 0x45);
    view.setUint16(2, ipv4Header + payloadBytes);
    view.setUint16(6, 0x4000); // never fragment
    view.setUint8(8, hops);
    view.setUint8(9, kind);
    header.set(ends.source, 12);
    header.set(ends.destination, 16);
    view.setUint16(10, finish(sum(header, 0)));
  } else {
    view.setUint8(0, 0x60);
    view.setUint16(4, payloadBytes);
    view.setUint8(6, kind);
    view.setUint8(7, kind === protocol.icmpv6 ? neighbourHops : hops);
    header.set(ends.source, 8);
    header.set(ends.destination, 24);
  }
  return { frame, payload: frame.subarray(ethernetHeaderBytes + headerBytes) };
}

/** The checksum of what an IP packet carries, with its pseudo-header: zero where its own field is right. */
export function checksum(
  bytes: Uint8Array,
  packet: { readonly source: IpAddress; readonly destination: IpAddress; readonly protocol: number },
): number {
  const { source, destination } = packet;
  return finish(sum(bytes, sum(source, sum(destination, packet.protocol + bytes.length))));
}

/** The checksum of bytes alone. */
export function plainChecksum(bytes: Uint8Array): number {
  return finish(sum(bytes, 0));
}

/** The internet checksum's sum, not yet folded; at most 2^48 for the largest packet. */
function sum(bytes: Uint8Array, start: number): number {
  let total = start;
  const even = bytes.length & ~1;
  for (let at = 0; at < even; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return even === bytes.length ? total : total + ((bytes[even] ?? 0) << 8);
}

function finish(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}
