// UDP datagrams and TCP segments (RFC 768, 9293), over either IP.

import { viewOf } from "./ethernet.ts";
import { checksum, type Ends, ipFrame, type IpPacket, protocol } from "./ip.ts";

export const tcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

export const udpHeaderBytes = 8;
export const tcpHeaderBytes = 20;

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  /** Options of a SYN. */
  readonly maxSegment?: number;
  readonly windowScale?: number;
  readonly payload: Uint8Array;
}

export function parseUdp(packet: IpPacket): UdpDatagram | undefined {
  const { payload: bytes } = packet;
  if (bytes.length < udpHeaderBytes) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint16(4);
  if (length < udpHeaderBytes || length > bytes.length) return undefined;
  const datagram = bytes.subarray(0, length);
  // IPv4 can do without a checksum; IPv6 cannot (RFC 8200, section 8.1).
  const isUnchecked = view.getUint16(6) === 0 && packet.source.length === 4;
  if (!isUnchecked && checksum(datagram, packet) !== 0) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: datagram.subarray(udpHeaderBytes),
  };
}

export function parseTcp(packet: IpPacket): TcpSegment | undefined {
  const { payload: bytes } = packet;
  if (bytes.length < tcpHeaderBytes) return undefined;
  const view = viewOf(bytes);
  const headerBytes = ((bytes[12] ?? 0) >>> 4) * 4;
  if (headerBytes < tcpHeaderBytes || headerBytes > bytes.length) return undefined;
  if (checksum(bytes, packet) !== 0) return undefined;
  const flags = view.getUint8(13);
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    flags,
    window: view.getUint16(14),
    ...((flags & tcpFlag.syn) === 0 ? {} : synOptions(bytes.subarray(tcpHeaderBytes, headerBytes))),
    payload: bytes.subarray(headerBytes),
  };
}

function synOptions(bytes: Uint8Array): { maxSegment?: number; windowScale?: number } {
  const options: { maxSegment?: number; windowScale?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at] ?? 0;
    if (kind === 0) break;
    if (kind === 1) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) break;
    if (kind === 2 && length === 4) options.maxSegment = viewOf(bytes).getUint16(at + 2);
    if (kind === 3 && length === 3) options.windowScale = Math.min(bytes[at + 2] ?? 0, 14);
    at += length;
  }
  return options;
}

export function udpFrame(ends: Ends, { sourcePort, destinationPort, payload }: UdpDatagram): Uint8Array {
  const length = udpHeaderBytes + payload.length;
  const { frame, payload: datagram } = ipFrame(ends, protocol.udp, length);
  const view = viewOf(datagram);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, length);
  datagram.set(payload, udpHeaderBytes);
  const check = checksum(datagram, { ...ends, protocol: protocol.udp });
  view.setUint16(6, check === 0 ? 0xffff : check);
  return frame;
}

export function tcpFrame(ends: Ends, segment: TcpSegment): Uint8Array {
  const { maxSegment, windowScale, payload } = segment;
  const options = [
    ...(maxSegment === undefined ? [] : [2, 4, maxSegment >>> 8, maxSegment & 0xff]),
    ...(windowScale === undefined ? [] : [1, 3, 3, windowScale]),
  ];
  const headerBytes = tcpHeaderBytes + options.length;
  const { frame, payload: bytes } = ipFrame(ends, protocol.tcp, headerBytes + payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgement);
  view.setUint8(12, (headerBytes / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  bytes.set(options, tcpHeaderBytes);
  bytes.set(payload, headerBytes);
  view.setUint16(16, checksum(bytes, { ...ends, protocol: protocol.tcp }));
  return frame;
}
