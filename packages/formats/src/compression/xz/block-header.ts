// The header of a block: its sizes, where stated, and its filters (.xz file format 1.2.1, section 3.1).

import { KelpieError } from "@kelpie/platform";
import { crc32 } from "node:zlib";
import { type BranchFilter, makeArm64Filter, makeX86Filter } from "./branch-filters.ts";
import { malformedXz } from "./malformed-xz.ts";
import { readVariableInteger, type VariableInteger } from "./variable-integer.ts";

const lzma2Filter = 0x21;
const branchFilters: ReadonlyMap<number, () => BranchFilter> = new Map([
  [0x04, makeX86Filter],
  [0x0a, makeArm64Filter],
]);

export interface BlockHeader {
  readonly compressedBytes: number | undefined;
  readonly uncompressedBytes: number | undefined;
  readonly dictionaryBytes: number;
  /** In the order in which they are undone, after LZMA2. */
  readonly filters: readonly { readonly filter: BranchFilter; readonly startOffset: number }[];
}

/** Reads a whole block header, its size byte and CRC included. */
export function readBlockHeader(header: Uint8Array, where: string): BlockHeader {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const end = header.length - 4;
  const checksum = crc32(header.subarray(0, end));
  if (view.getUint32(end, true) !== checksum) {
    throw malformedXz(`block header CRC ${view.getUint32(end, true)}`, `${checksum}`, where);
  }
  const flags = view.getUint8(1);
  if ((flags & 0x3c) !== 0) throw malformedXz("no reserved block flags", `0x${flags.toString(16)}`, where);
  let at = 2;
  const integer = (): number => {
    const read: VariableInteger = readVariableInteger(header.subarray(0, end), at, where);
    at = read.end;
    return read.value;
  };
  const compressedBytes = (flags & 0x40) !== 0 ? integer() : undefined;
  const uncompressedBytes = (flags & 0x80) !== 0 ? integer() : undefined;

  const filters: BlockHeader["filters"][number][] = [];
  let dictionaryBytes: number | undefined;
  for (let left = (flags & 3) + 1; left > 0; left -= 1) {
    const id = integer();
    const propertyBytes = integer();
    const properties = header.subarray(at, Math.min(at + propertyBytes, end));
    if (properties.length < propertyBytes)
      throw malformedXz("filter properties within the header", "more", where);
    at += propertyBytes;
    if (left === 1) dictionaryBytes = dictionarySize(id, properties, where);
    else filters.unshift({ filter: branchFilter(id, where), startOffset: startOffset(properties, where) });
  }
  if (header.subarray(at, end).some((byte) => byte !== 0)) {
    throw malformedXz("zeros after the filters of a block header", "other bytes", where);
  }
  if (dictionaryBytes === undefined) throw malformedXz("an LZMA2 filter", "none", where);
  return { compressedBytes, uncompressedBytes, dictionaryBytes, filters };
}

function dictionarySize(id: number, properties: Uint8Array, where: string): number {
  const [bits] = properties;
  if (id !== lzma2Filter || properties.length !== 1 || bits === undefined || bits > 40) {
    throw malformedXz("LZMA2 as the last filter", `filter 0x${id.toString(16)}`, where);
  }
  return bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
}

function branchFilter(id: number, where: string): BranchFilter {
  const make = branchFilters.get(id);
  if (make === undefined) {
    throw new KelpieError("unsupported", "An xz block has a filter that is not known", {
      expected: [...branchFilters.keys(), lzma2Filter].map((known) => `0x${known.toString(16)}`).join(", "),
      found: `0x${id.toString(16)}`,
      where,
    });
  }
  return make();
}

function startOffset(properties: Uint8Array, where: string): number {
  if (properties.length === 0) return 0;
  if (properties.length !== 4) throw malformedXz("a start offset of 4 bytes", `${properties.length}`, where);
  return new DataView(properties.buffer, properties.byteOffset, 4).getUint32(0, true);
}
