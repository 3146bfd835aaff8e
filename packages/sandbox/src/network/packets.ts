// Ethernet, ARP, IPv4, UDP, TCP and ICMP echo, as far as a guest's network needs them (RFC 826, 791, 768, 9293, 792).
// What does not follow its format is undefined, and dropped: a network owes nothing to a malformed packet.

/** Six bytes. */
export type Mac = Uint8Array;

export const etherType = { ipv4: 0x0800, arp: 0x0806 } as const;
export const protocol = { icmp: 1, tcp: 6, udp: 17 } as const;
export const tcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

const ethernetHeader = 14;
const ipv4Header = 20;
const udpHeader = 8;
const tcpHeader = 20;
const arpBytes = 28;

export interface EthernetFrame {
  readonly source: Mac;
  readonly type: number;
  readonly payload: Uint8Array;
}

export interface Ipv4Packet {
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  readonly payload: Uint8Array;
}

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

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function parseEthernet(bytes: Uint8Array): EthernetFrame | undefined {
  if (bytes.length < ethernetHeader) return undefined;
  return {
    source: bytes.subarray(6, 12),
    type: viewOf(bytes).getUint16(12),
    payload: bytes.subarray(ethernetHeader),
  };
}

/** Who asks for which IPv4 address; undefined for anything but a request. */
export function parseArpRequest(
  bytes: Uint8Array,
): { readonly sender: Mac; readonly senderAddress: number; readonly target: number } | undefined {
  if (bytes.length < arpBytes) return undefined;
  const view = viewOf(bytes);
  const isRequest =
    view.getUint32(0) === 0x00010800 && view.getUint16(4) === 0x0604 && view.getUint16(6) === 1;
  if (!isRequest) return undefined;
  return { sender: bytes.slice(8, 14), senderAddress: view.getUint32(14), target: view.getUint32(24) };
}

/** A whole frame: `mac` has `address`. */
export function arpReply(mac: Mac, address: number, to: Mac, toAddress: number): Uint8Array {
  const frame = ethernet(mac, to, etherType.arp, arpBytes);
  const view = viewOf(frame.subarray(ethernetHeader));
  view.setUint32(0, 0x00010800);
  view.setUint16(4, 0x0604);
  view.setUint16(6, 2);
  frame.set(mac, ethernetHeader + 8);
  view.setUint32(14, address);
  frame.set(to, ethernetHeader + 18);
  view.setUint32(24, toAddress);
  return frame;
}

/** Unfragmented, with a right header checksum. */
export function parseIpv4Packet(bytes: Uint8Array): Ipv4Packet | undefined {
  if (bytes.length < ipv4Header || (bytes[0] ?? 0) >>> 4 !== 4) return undefined;
  const view = viewOf(bytes);
  const headerBytes = ((bytes[0] ?? 0) & 15) * 4;
  const total = view.getUint16(2);
  const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
  if (headerBytes < ipv4Header || total < headerBytes || total > bytes.length || isFragment) return undefined;
  if (finish(sum(bytes.subarray(0, headerBytes), 0)) !== 0) return undefined;
  return {
    protocol: view.getUint8(9),
    source: view.getUint32(12),
    destination: view.getUint32(16),
    payload: bytes.subarray(headerBytes, total),
  };
}

export function parseUdp(packet: Ipv4Packet): UdpDatagram | undefined {
  const { payload: bytes } = packet;
  if (bytes.length < udpHeader) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint16(4);
  if (length < udpHeader || length > bytes.length) return undefined;
  const datagram = bytes.subarray(0, length);
  if (view.getUint16(6) !== 0 && finish(sum(datagram, pseudoHeader(packet, length))) !== 0) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: datagram.subarray(udpHeader),
  };
}

export function parseTcp(packet: Ipv4Packet): TcpSegment | undefined {
  const { payload: bytes } = packet;
  if (bytes.length < tcpHeader) return undefined;
  const view = viewOf(bytes);
  const headerBytes = ((bytes[12] ?? 0) >>> 4) * 4;
  if (headerBytes < tcpHeader || headerBytes > bytes.length) return undefined;
  if (finish(sum(bytes, pseudoHeader(packet, bytes.length))) !== 0) return undefined;
  const flags = view.getUint8(13);
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    flags,
    window: view.getUint16(14),
    ...((flags & tcpFlag.syn) === 0 ? {} : synOptions(bytes.subarray(tcpHeader, headerBytes))),
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

/** Both ends of a frame. */
export interface Ends {
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
  readonly source: number;
  readonly destination: number;
}

export function udpFrame(ends: Ends, { sourcePort, destinationPort, payload }: UdpDatagram): Uint8Array {
  const length = udpHeader + payload.length;
  const frame = ipv4(ends, protocol.udp, length);
  const datagram = frame.subarray(ethernetHeader + ipv4Header);
  const view = viewOf(datagram);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, length);
  datagram.set(payload, udpHeader);
  const check = finish(sum(datagram, pseudoHeader({ ...ends, protocol: protocol.udp }, length)));
  view.setUint16(6, check === 0 ? 0xffff : check);
  return frame;
}

export function tcpFrame(ends: Ends, segment: TcpSegment): Uint8Array {
  const { maxSegment, windowScale, payload } = segment;
  const options = [
    ...(maxSegment === undefined ? [] : [2, 4, maxSegment >>> 8, maxSegment & 0xff]),
    ...(windowScale === undefined ? [] : [1, 3, 3, windowScale]),
  ];
  const headerBytes = tcpHeader + options.length;
  const length = headerBytes + payload.length;
  const frame = ipv4(ends, protocol.tcp, length);
  const bytes = frame.subarray(ethernetHeader + ipv4Header);
  const view = viewOf(bytes);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgement);
  view.setUint8(12, (headerBytes / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  bytes.set(options, tcpHeader);
  bytes.set(payload, headerBytes);
  view.setUint16(16, finish(sum(bytes, pseudoHeader({ ...ends, protocol: protocol.tcp }, length))));
  return frame;
}

/** The answer to an ICMP echo request; undefined for any other ICMP. */
export function echoReply(ends: Ends, { payload }: Ipv4Packet): Uint8Array | undefined {
  if (payload.length < 8 || payload[0] !== 8 || finish(sum(payload, 0)) !== 0) return undefined;
  const frame = ipv4(ends, protocol.icmp, payload.length);
  const bytes = frame.subarray(ethernetHeader + ipv4Header);
  bytes.set(payload);
  bytes[0] = 0;
  const view = viewOf(bytes);
  view.setUint16(2, 0);
  view.setUint16(2, finish(sum(bytes, 0)));
  return frame;
}

function ethernet(source: Mac, destination: Mac, type: number, payloadBytes: number): Uint8Array {
  const frame = new Uint8Array(ethernetHeader + payloadBytes);
  frame.set(destination, 0);
  frame.set(source, 6);
  viewOf(frame).setUint16(12, type);
  return frame;
}

/** A frame with an IPv4 header; its payload is still zero. */
function ipv4(ends: Ends, kind: number, payloadBytes: number): Uint8Array {
  const { sourceMac, destinationMac } = ends;
  const frame = ethernet(sourceMac, destinationMac, etherType.ipv4, ipv4Header + payloadBytes);
  const header = frame.subarray(ethernetHeader, ethernetHeader + ipv4Header);
  const view = viewOf(header);
  view.setUint8(0, 0x45);
  view.setUint16(2, ipv4Header + payloadBytes);
  view.setUint16(6, 0x4000); // never fragment
  view.setUint8(8, 64);
  view.setUint8(9, kind);
  view.setUint32(12, ends.source);
  view.setUint32(16, ends.destination);
  view.setUint16(10, finish(sum(header, 0)));
  return frame;
}

function pseudoHeader(
  packet: { readonly source: number; readonly destination: number; readonly protocol: number },
  length: number,
): number {
  const { source, destination } = packet;
  const halves = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff);
  return halves + packet.protocol + length;
}

/** The internet checksum's sum (RFC 1071), not yet folded; at most 2^48 for the largest packet. */
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
