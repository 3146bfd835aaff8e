// Tar archives made by hand, so that a test can make what no tool makes.

/** Fields of a header as the text that stands in them. */
export interface RawHeader {
  readonly name?: string;
  readonly mode?: string;
  readonly uid?: string;
  readonly size?: string;
  readonly mtime?: string;
  readonly type?: string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
}

const endOfArchive = Buffer.alloc(1024);

/** One header block with a right checksum; text is Latin-1, so that any byte can be said. */
export function rawHeader(fields: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name ?? "file", 0, 100, "latin1");
  block.write(fields.mode ?? "0000644", 100, 8, "latin1");
  block.write(fields.uid ?? "0000000", 108, 8, "latin1");
  block.write("0000000", 116, 8, "latin1");
  block.write(fields.size ?? "00000000000", 124, 12, "latin1");
  block.write(fields.mtime ?? "00000000000", 136, 12, "latin1");
  block.write(fields.type ?? "0", 156, 1, "latin1");
  block.write(fields.link ?? "", 157, 100, "latin1");
  block.write(fields.magic ?? "ustar\u000000", 257, 8, "latin1");
  block.write(fields.prefix ?? "", 345, 155, "latin1");
  return withChecksum(block);
}

/** The block with its checksum made right. */
export function withChecksum(block: Uint8Array): Buffer {
  const fixed = Buffer.from(block);
  fixed.fill(0x20, 148, 156);
  const sum = fixed.reduce((total, byte) => total + byte, 0);
  fixed.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, 8, "latin1");
  return fixed;
}

/** Makes right the checksum of every block that looks like a header, and of some that only may be one. */
export function repairChecksums(input: Uint8Array): Uint8Array {
  const fixed = Buffer.from(input);
  for (let at = 0; at + 512 <= fixed.length; at += 512) {
    const block = fixed.subarray(at, at + 512);
    if (block[257] === 0x75 || block[100] === 0x30) withChecksum(block).copy(block);
  }
  return fixed;
}

/** A header with its content, padded; the size is the content's unless the fields say another. */
export function rawEntry(fields: RawHeader, content: string | Uint8Array = ""): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  const size = bytes.length.toString(8).padStart(11, "0");
  return Buffer.concat([rawHeader({ size, ...fields }), bytes, Buffer.alloc(-bytes.length & 511)]);
}

/** A pax header of these records. */
export function rawPax(records: readonly string[], type = "x"): Buffer {
  return rawEntry({ name: "pax", type }, records.join(""));
}

/** "length key=value\n". */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`.length;
  const length = rest + `${rest + 2}`.length;
  return `${rest + `${length}`.length} ${key}=${value}\n`;
}

/** The parts with the end of an archive behind them. */
export function rawArchive(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...parts, endOfArchive]);
}
