// The headers of a 64-bit little-endian ELF file (System V ABI, gABI chapters 4 and 5), every offset checked against the file.

import { KelpieError } from "@kelpie/platform";

export const elfType = { relocatable: 1, executable: 2, shared: 3 } as const;
export const machine = { amd64: 62, arm64: 183 } as const;

const headerBytes = 64;
const programHeaderBytes = 56;
const sectionHeaderBytes = 64;
const maxHeaders = 4096;
const maxTextBytes = 4096;

/** A part of the file with a meaning; `offset` and `sizeBytes` lie within the file. */
export interface ElfPart {
  readonly type: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface ElfSegment extends ElfPart {
  readonly virtualAddress: bigint;
}

export interface ElfSection extends ElfPart {
  readonly name: string;
}

/** A parsed ELF file. */
export interface ElfFile {
  readonly type: number;
  readonly machine: number;
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
  /** Read only when asked for, since a stripped executable has none. */
  readonly sections: () => readonly ElfSection[];
  /** The bytes of a part. */
  readonly contentOf: (part: ElfPart) => Uint8Array;
}

/** Whether the bytes begin with ELF's magic number. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads the headers.
 *
 * @throws KelpieError `malformed`, `unsupported` (another class or byte order).
 */
export function parseElf(bytes: Uint8Array, where: string): ElfFile {
  if (!isElf(bytes)) {
    throw malformedElf("magic 7f 45 4c 46", Buffer.from(bytes.subarray(0, 4)).toString("hex"), where);
  }
  if (bytes.length < headerBytes)
    throw malformedElf(`a header of ${headerBytes} bytes`, `${bytes.length}`, where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [elfClass, byteOrder] = [view.getUint8(4), view.getUint8(5)];
  if (elfClass !== 2 || byteOrder !== 1) {
    throw new KelpieError("unsupported", "An ELF file is of a kind that is not supported", {
      expected: "class 2 (64-bit), data 1 (little-endian)",
      found: `class ${elfClass}, data ${byteOrder}`,
      where,
    });
  }
  const part = (type: number, offset: bigint, size: bigint): ElfPart => {
    if (offset + size > BigInt(bytes.length)) {
      throw malformedElf(`a part within ${bytes.length} bytes`, `${offset} + ${size}`, where);
    }
    return { type, offset: Number(offset), sizeBytes: Number(size) };
  };
  /** Where each of `count` headers of a table begins. */
  const table = (offset: bigint, count: number, entryBytes: number, expectedBytes: number): number[] => {
    if (count === 0) return [];
    if (entryBytes !== expectedBytes || count > maxHeaders) {
      throw malformedElf(
        `at most ${maxHeaders} headers of ${expectedBytes} bytes`,
        `${count} of ${entryBytes}`,
        where,
      );
    }
    const start = part(0, offset, BigInt(count * entryBytes)).offset;
    return Array.from({ length: count }, (_, index) => start + index * entryBytes);
  };
  const contentOf = ({ offset, sizeBytes }: ElfPart): Uint8Array =>
    bytes.subarray(offset, offset + sizeBytes);
  return {
    type: view.getUint16(16, true),
    machine: view.getUint16(18, true),
    entry: view.getBigUint64(24, true),
    segments: table(
      view.getBigUint64(32, true),
      view.getUint16(56, true),
      view.getUint16(54, true),
      programHeaderBytes,
    ).map((at) => ({
      ...part(view.getUint32(at, true), view.getBigUint64(at + 8, true), view.getBigUint64(at + 32, true)),
      virtualAddress: view.getBigUint64(at + 16, true),
    })),
    sections: () => {
      const headers = table(
        view.getBigUint64(40, true),
        view.getUint16(60, true),
        view.getUint16(58, true),
        sectionHeaderBytes,
      );
      const sections = headers.map((at) => {
        const type = view.getUint32(at + 4, true);
        // A section without bits (.bss) takes no room in the file, whatever its size says.
        const size = type === 8 ? 0n : view.getBigUint64(at + 32, true);
        return {
          nameAt: view.getUint32(at, true),
          ...part(type, size === 0n ? 0n : view.getBigUint64(at + 24, true), size),
        };
      });
      const names = sections[view.getUint16(62, true)];
      const nameBytes = names === undefined ? new Uint8Array(0) : contentOf(names);
      return sections.map(({ nameAt, ...rest }) => ({ ...rest, name: textAt(nameBytes, nameAt) }));
    },
    contentOf,
  };
}

/** The NUL-terminated text at `offset`, in Latin-1 so that no byte is lost; what is longer than a path is cut. */
export function textAt(bytes: Uint8Array, offset: number): string {
  const text = bytes.subarray(offset, offset + maxTextBytes);
  const end = text.indexOf(0);
  return Buffer.from(end < 0 ? text : text.subarray(0, end)).toString("latin1");
}

export function malformedElf(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read an ELF file", { expected, found, where });
}
