// ICMP of both families (RFC 792, 4443): echo, and that something cannot be reached; and neighbour discovery (RFC 4861).

import type { IpAddress } from "../address.ts";
import { type Mac, viewOf } from "./ethernet.ts";
import { checksum, type Ends, ipFrame, type IpPacket, plainChecksum, protocol } from "./ip.ts";

const headerBytes = 8;
const type4 = { echoReply: 0, unreachable: 3, echo: 8 } as const;
const type6 = { unreachable: 1, echo: 128, echoReply: 129, solicitation: 135, advertisement: 136 } as const;
/** Why: nobody listens, or it is forbidden. In ICMP and in ICMPv6. */
const unreachableCode = { port: [3, 4], prohibited: [13, 1] } as const;
/** So much of the packet that it is about fits into what everyone takes. */
const quotedBytes = { ipv4: 576 - 20 - headerBytes, ipv6: 1280 - 40 - headerBytes } as const;
const neighbourBytes = headerBytes + 16;
const linkAddressOption = { target: 2, bytes: 8 } as const;
/** In an advertisement: it was asked for, and replaces what was known. */
const solicitedAndOverriding = 0x60;

/** Whether a packet is a sound request for an echo. */
export function isEchoRequest(packet: IpPacket): boolean {
  const { payload } = packet;
  const isSix = packet.source.length === 16;
  return isSound(packet) && payload[0] === (isSix ? type6.echo : type4.echo);
}

/** The answer to an echo request. */
export function echoReply(ends: Ends, { payload }: IpPacket): Uint8Array {
  const isSix = ends.source.length === 16;
  const { frame, payload: bytes } = ipFrame(ends, kindOf(ends), payload.length);
  bytes.set(payload);
  bytes[0] = isSix ? type6.echoReply : type4.echoReply;
  return finished(frame, bytes, ends);
}

/** That what the guest sent in `packet` reaches nobody: as from a host without a listener, or by a rule. */
export function unreachable(ends: Ends, packet: IpPacket, why: keyof typeof unreachableCode): Uint8Array {
  const isSix = ends.source.length === 16;
  const quoted = packet.bytes.subarray(0, isSix ? quotedBytes.ipv6 : quotedBytes.ipv4);
  const { frame, payload: bytes } = ipFrame(ends, kindOf(ends), headerBytes + quoted.length);
  bytes[0] = isSix ? type6.unreachable : type4.unreachable;
  bytes[1] = unreachableCode[why][isSix ? 1 : 0];
  bytes.set(quoted, headerBytes);
  return finished(frame, bytes, ends);
}

/** Whose hardware address the guest asks for; undefined for anything but a neighbour solicitation. */
export function parseSolicitation(packet: IpPacket): IpAddress | undefined {
  const { payload } = packet;
  if (packet.source.length !== 16 || payload.length < neighbourBytes || !isSound(packet)) return undefined;
  return payload[0] === type6.solicitation ? payload.slice(headerBytes, neighbourBytes) : undefined;
}

/** The answer to it: `target` is at `mac`. */
export function advertisement(ends: Ends, mac: Mac, target: IpAddress): Uint8Array {
  const { frame, payload: bytes } = ipFrame(ends, protocol.icmpv6, neighbourBytes + linkAddressOption.bytes);
  bytes[0] = type6.advertisement;
  bytes[4] = solicitedAndOverriding;
  bytes.set(target, headerBytes);
  bytes.set([linkAddressOption.target, linkAddressOption.bytes / 8, ...mac], neighbourBytes);
  return finished(frame, bytes, ends);
}

function isSound(packet: IpPacket): boolean {
  const { payload } = packet;
  if (payload.length < headerBytes) return false;
  return packet.source.length === 16
    ? packet.protocol === protocol.icmpv6 && checksum(payload, packet) === 0
    : packet.protocol === protocol.icmp && plainChecksum(payload) === 0;
}

function kindOf({ source }: Ends): number {
  return source.length === 16 ? protocol.icmpv6 : protocol.icmp;
}

/** With its checksum. */
function finished(frame: Uint8Array, bytes: Uint8Array, ends: Ends): Uint8Array {
  const view = viewOf(bytes);
  view.setUint16(2, 0);
  const isSix = ends.source.length === 16;
  view.setUint16(2, isSix ? checksum(bytes, { ...ends, protocol: protocol.icmpv6 }) : plainChecksum(bytes));
  return frame;
}
