// What an executable needs to run: its machine, and whether it stands alone.

import { type Architecture, KelpieError } from "@kelpie/platform";
import { type ElfFile, elfType, machine, malformedElf, parseElf, textAt } from "./elf-file.ts";

export interface ExecutableInfo {
  readonly architecture: Architecture;
  /** The dynamic loader that it asks for; undefined for a static executable. */
  readonly interpreter: string | undefined;
  /** The libraries that it asks for, in order. */
  readonly needed: readonly string[];
  /** Neither loader nor libraries. */
  readonly isStatic: boolean;
}

const segmentType = { load: 1, dynamic: 2, interpreter: 3 } as const;
const dynamicTag = { end: 0n, needed: 1n, strings: 5n } as const;
const dynamicEntryBytes = 16;
const maxDynamicBytes = 64 * 1024;

/**
 * Reads the program headers of a 64-bit little-endian executable or shared object.
 *
 * @throws KelpieError `malformed`, `unsupported` (another class, byte order, machine or ELF type).
 */
export function readExecutable(bytes: Uint8Array, where = "an executable"): ExecutableInfo {
  const elf = parseElf(bytes, where);
  if (elf.type !== elfType.executable && elf.type !== elfType.shared) {
    throw new KelpieError("unsupported", "An ELF file is not an executable", {
      expected: `type ${elfType.executable} or ${elfType.shared}`,
      found: `type ${elf.type}`,
      where,
    });
  }
  const interpreterSegment = elf.segments.find(({ type }) => type === segmentType.interpreter);
  const interpreter =
    interpreterSegment === undefined ? undefined : textAt(elf.contentOf(interpreterSegment), 0);
  const needed = neededLibraries(elf, where);
  return {
    architecture: architectureOf(elf, where),
    interpreter,
    needed,
    isStatic: interpreter === undefined && needed.length === 0,
  };
}

/** The architecture that an ELF file is for. @throws KelpieError `unsupported` */
export function architectureOf(elf: ElfFile, where: string): Architecture {
  if (elf.machine === machine.amd64) return "amd64";
  if (elf.machine === machine.arm64) return "arm64";
  throw new KelpieError("unsupported", "An ELF file is for another machine", {
    expected: `machine ${machine.amd64} (amd64) or ${machine.arm64} (arm64)`,
    found: `machine ${elf.machine}`,
    where,
  });
}

function neededLibraries(elf: ElfFile, where: string): string[] {
  const dynamic = elf.segments.find(({ type }) => type === segmentType.dynamic);
  if (dynamic === undefined) return [];
  const bytes = elf.contentOf(dynamic).subarray(0, maxDynamicBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const neededAt: number[] = [];
  let stringsAddress: bigint | undefined;
  for (let at = 0; at + dynamicEntryBytes <= bytes.length; at += dynamicEntryBytes) {
    const tag = view.getBigUint64(at, true);
    const value = view.getBigUint64(at + 8, true);
    if (tag === dynamicTag.end) break;
    if (tag === dynamicTag.needed) neededAt.push(Number(value));
    if (tag === dynamicTag.strings) stringsAddress = value;
  }
  if (neededAt.length === 0) return [];
  const strings = stringTable(elf, stringsAddress, where);
  return neededAt.map((offset) => {
    if (offset >= strings.length)
      throw malformedElf("a library's name in the string table", `at ${offset}`, where);
    return textAt(strings, offset);
  });
}

/** The rest of the segment that holds the string table, which the dynamic section knows by its address in memory. */
function stringTable(elf: ElfFile, address: bigint | undefined, where: string): Uint8Array {
  for (const segment of elf.segments) {
    if (segment.type !== segmentType.load || address === undefined) continue;
    const offset = address - segment.virtualAddress;
    if (offset >= 0n && offset < BigInt(segment.sizeBytes))
      return elf.contentOf(segment).subarray(Number(offset));
  }
  throw malformedElf("a string table within a loaded segment", `${address ?? "none"}`, where);
}
