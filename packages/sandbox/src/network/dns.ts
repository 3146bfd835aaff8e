// Just enough of DNS (RFC 1035, 3596) to answer a guest's resolver: one question, and an address, nothing, or a refusal.

import type { IpAddress } from "./address.ts";

const headerBytes = 12;
const maxQueryBytes = 512;
const maxNameBytes = 255;
const classInternet = 1;
const timeToLiveSeconds = 60;

export const recordType = { a: 1, aaaa: 28 } as const;

/** What a resolver asks. */
export interface DnsQuery {
  readonly id: number;
  /** Whether it wants recursion: said back to it. */
  readonly recursion: boolean;
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
  /** The question as it came, to be sent back. */
  readonly question: Uint8Array;
}

/** An answer: an address; none of that type; no such name; or that we cannot tell. */
export type DnsAnswer =
  | { readonly kind: "address"; readonly address: IpAddress }
  | { readonly kind: "empty" }
  | { readonly kind: "no-such-name" }
  | { readonly kind: "failure" };

const responseCode: Readonly<Record<DnsAnswer["kind"], number>> = {
  address: 0,
  empty: 0,
  failure: 2,
  "no-such-name": 3,
};

/** A query with one question of the internet class; undefined for anything else. */
export function parseDnsQuery(bytes: Uint8Array): DnsQuery | undefined {
  if (bytes.length < headerBytes || bytes.length > maxQueryBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint16(2);
  // A question, not an answer; of the standard kind; exactly one.
  if ((flags & 0xf800) !== 0 || view.getUint16(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = bytes[at];
    // A question has no pointers: there is nothing before it.
    if (length === undefined || length > 63 || at - headerBytes > maxNameBytes) return undefined;
    at += 1;
    if (length === 0) break;
    const label = Buffer.from(bytes.subarray(at, at + length)).toString("latin1");
    if (label.length < length || !/^[\x21-\x2d\x2f-\x7e]+$/.test(label)) return undefined;
    labels.push(label);
    at += length;
  }
  if (at + 4 > bytes.length || view.getUint16(at + 2) !== classInternet) return undefined;
  return {
    id: view.getUint16(0),
    recursion: (flags & 0x0100) !== 0,
    name: labels.join(".").toLowerCase(),
    type: view.getUint16(at),
    question: bytes.slice(headerBytes, at + 4),
  };
}

/** The message that answers `query`. */
export function dnsResponse(query: DnsQuery, answer: DnsAnswer): Uint8Array {
  const record = answer.kind === "address" ? addressRecord(answer.address) : new Uint8Array(0);
  const bytes = new Uint8Array(headerBytes + query.question.length + record.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, query.id);
  // A response, with recursion available.
  view.setUint16(2, 0x8080 | (query.recursion ? 0x0100 : 0) | responseCode[answer.kind]);
  view.setUint16(4, 1);
  view.setUint16(6, record.length === 0 ? 0 : 1);
  bytes.set(query.question, headerBytes);
  bytes.set(record, headerBytes + query.question.length);
  return bytes;
}

function addressRecord(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(12 + address.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xc000 | headerBytes); // the name of the question
  view.setUint16(2, address.length === 4 ? recordType.a : recordType.aaaa);
  view.setUint16(4, classInternet);
  view.setUint32(6, timeToLiveSeconds);
  view.setUint16(10, address.length);
  bytes.set(address, 12);
  return bytes;
}
