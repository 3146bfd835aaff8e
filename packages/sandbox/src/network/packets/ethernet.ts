// Ethernet frames, and ARP (RFC 826). What does not follow its format is undefined, and dropped: a network owes nothing to a
// malformed packet.

import type { IpAddress } from "../address.ts";

/** Six bytes. */
export type Mac = Uint8Array;

export const etherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const ethernetHeaderBytes = 14;
const arpBytes = 28;

export interface EthernetFrame {
  readonly source: Mac;
  readonly type: number;
  readonly payload: Uint8Array;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function parseEthernet(bytes: Uint8Array): EthernetFrame | undefined {
  if (bytes.length < ethernetHeaderBytes) return undefined;
  return {
    source: bytes.subarray(6, 12),
    type: viewOf(bytes).getUint16(12),
    payload: bytes.subarray(ethernetHeaderBytes),
  };
}

/** A frame whose payload is still zero. */
export function ethernetFrame(
  source: Mac,
  destination: Mac,
  type: number,
  payloadBytes: number,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(ethernetHeaderBytes + payloadBytes);
  frame.set(destination, 0);
  frame.set(source, 6);
  viewOf(frame).setUint16(12, type);
  return frame;
}

/** Who asks for which IPv4 address; undefined for anything but a request. */
export function parseArpRequest(
  bytes: Uint8Array,
): { readonly sender: Mac; readonly senderAddress: IpAddress; readonly target: IpAddress } | undefined {
  if (bytes.length < arpBytes) return undefined;
  const view = viewOf(bytes);
  const isRequest =
    view.getUint32(0) === 0x00010800 && view.getUint16(4) === 0x0604 && view.getUint16(6) === 1;
  if (!isRequest) return undefined;
  return { sender: bytes.slice(8, 14), senderAddress: bytes.slice(14, 18), target: bytes.slice(24, 28) };
}

/** A whole frame: `mac` has `address`. */
export function arpReply(mac: Mac, address: IpAddress, to: Mac, toAddress: IpAddress): Uint8Array {
  const frame = ethernetFrame(mac, to, etherType.arp, arpBytes);
  const payload = frame.subarray(ethernetHeaderBytes);
  const view = viewOf(payload);
  view.setUint32(0, 0x00010800);
  view.setUint16(4, 0x0604);
  view.setUint16(6, 2);
  payload.set(mac, 8);
  payload.set(address, 14);
  payload.set(to, 18);
  payload.set(toAddress, 24);
  return frame;
}
