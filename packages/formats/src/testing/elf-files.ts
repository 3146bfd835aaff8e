// Small ELF files made by hand.

export interface ElfParts {
  readonly type: number;
  readonly machine: number;
  readonly entry?: bigint;
  readonly segments?: readonly {
    readonly type: number;
    readonly address?: bigint;
    readonly content: Uint8Array;
  }[];
  readonly sections?: readonly {
    readonly name: string;
    readonly type?: number;
    readonly content: Uint8Array;
  }[];
}

/** A 64-bit little-endian ELF file: header, contents, program headers, section headers. */
export function elfFile({ type, machine, entry = 0n, segments = [], sections = [] }: ElfParts): Buffer {
  const names = Buffer.from(`\0${sections.map(({ name }) => name).join("\0")}\0.shstrtab\0`);
  const nameOffset = (name: string): number => names.indexOf(`\0${name}\0`) + 1;
  const allSections =
    sections.length === 0 ? [] : [...sections, { name: ".shstrtab", type: 3, content: names }];
  const contents = [...segments, ...allSections].map(({ content }) => content);
  const offsets: number[] = [];
  let at = 64;
  for (const content of contents) {
    offsets.push(at);
    at += content.length;
  }
  const programHeadersAt = at;
  const programHeaders = segments.map(({ type: segmentType, address = 0n, content }, index) => {
    const header = Buffer.alloc(56);
    header.writeUInt32LE(segmentType, 0);
    header.writeBigUInt64LE(BigInt(offsets[index] ?? 0), 8);
    header.writeBigUInt64LE(address, 16);
    header.writeBigUInt64LE(BigInt(content.length), 32);
    return header;
  });
  const sectionHeaders = allSections.map(({ name, type: sectionType = 1, content }, index) => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(nameOffset(name), 0);
    header.writeUInt32LE(sectionType, 4);
    header.writeBigUInt64LE(BigInt(offsets[segments.length + index] ?? 0), 24);
    header.writeBigUInt64LE(BigInt(content.length), 32);
    return header;
  });
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(type, 16);
  header.writeUInt16LE(machine, 18);
  header.writeBigUInt64LE(entry, 24);
  header.writeBigUInt64LE(BigInt(programHeadersAt), 32);
  header.writeBigUInt64LE(BigInt(programHeadersAt + 56 * segments.length), 40);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(segments.length, 56);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(allSections.length, 60);
  header.writeUInt16LE(Math.max(0, allSections.length - 1), 62);
  return Buffer.concat([header, ...contents, ...programHeaders, ...sectionHeaders]);
}

/** A note as it stands in a PT_NOTE segment. */
export function elfNote(name: string, type: number, value: Uint8Array): Buffer {
  const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  const header = Buffer.alloc(12);
  header.writeUInt32LE(name.length + 1, 0);
  header.writeUInt32LE(value.length, 4);
  header.writeUInt32LE(type, 8);
  return Buffer.concat([header, padded(Buffer.from(`${name}\0`)), padded(value)]);
}
