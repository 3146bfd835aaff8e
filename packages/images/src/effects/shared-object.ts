// The name that a shared library gives itself.
// System V ABI, "Program Header", "Dynamic Section"; 64-bit little-endian only, which is all that an image runs.

import type { Architecture } from "@kelpie/platform";

export interface SharedObject {
  readonly architecture: Architecture;
  /** DT_SONAME, where it has one. */
  readonly soname: string | undefined;
}

const machines: Readonly<Record<number, Architecture>> = { 62: "amd64", 183: "arm64" };
const sharedObjectType = 3;
const segment = { load: 1, dynamic: 2 } as const;
const dynamicTag = { stringTable: 5n, soname: 14n } as const;
const maxSegments = 1000;
const maxNameBytes = 255;

/** Reads a library's name, or returns undefined for bytes that are not a shared object for a known machine. */
export function readSharedObject(bytes: Uint8Array): SharedObject | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f_45_4c_46) return undefined;
  if (bytes[4] !== 2 || bytes[5] !== 1 || view.getUint16(16, true) !== sharedObjectType) return undefined;
  const architecture = machines[view.getUint16(18, true)];
  const segments = readSegments(view);
  if (architecture === undefined || segments === undefined) return undefined;
  return { architecture, soname: readSoname(bytes, view, segments) };
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

function readSegments(view: DataView): readonly Segment[] | undefined {
  const start = Number(view.getBigUint64(32, true));
  const entryBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (entryBytes < 56 || count > maxSegments || start + entryBytes * count > view.byteLength)
    return undefined;
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes;
    return {
      type: view.getUint32(at, true),
      offset: Number(view.getBigUint64(at + 8, true)),
      address: Number(view.getBigUint64(at + 16, true)),
      sizeBytes: Number(view.getBigUint64(at + 32, true)),
    };
  });
}

function readSoname(bytes: Uint8Array, view: DataView, segments: readonly Segment[]): string | undefined {
  const dynamic = segments.find(({ type }) => type === segment.dynamic);
  if (dynamic === undefined) return undefined;
  const end = Math.min(dynamic.offset + dynamic.sizeBytes, bytes.length) - 16;
  let table: number | undefined;
  let name: number | undefined;
  for (let at = dynamic.offset; at <= end; at += 16) {
    const tag = view.getBigUint64(at, true);
    const value = Number(view.getBigUint64(at + 8, true));
    if (tag === 0n) break;
    if (tag === dynamicTag.stringTable) table = value;
    else if (tag === dynamicTag.soname) name = value;
  }
  if (table === undefined || name === undefined) return undefined;
  const address = table;
  const loaded = segments.find(
    ({ type, address: from, sizeBytes }) =>
      type === segment.load && address >= from && address < from + sizeBytes,
  );
  if (loaded === undefined) return undefined;
  const start = address - loaded.address + loaded.offset + name;
  const stop = bytes.indexOf(0, start);
  if (stop <= start || stop - start > maxNameBytes) return undefined;
  return new TextDecoder().decode(bytes.subarray(start, stop));
}
