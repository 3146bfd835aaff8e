// Files with holes in tar archives, as GNU tar's format 1.0 has them: a map of the pieces that have data stands before
// these ("GNU tar manual", "Storing Sparse Files", "PAX Format, Version 1.0").

import { KelpieError } from "@kelpie/platform";
import type { ByteRange, ByteSource, SeekableSource } from "../byte-source.ts";
import { StreamReader } from "../stream/stream-reader.ts";
import { blockBytes } from "./header.ts";
import type { TarSourceEntry } from "./write-tar.ts";

/** What the guest's agent takes and gives, too. */
const maxPieces = 65_536;
const chunkBytes = 256 << 10;
const noNumber = -1;

/** Bytes and their place in the file; all else in it is zero. */
export interface SparsePiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * The pieces of a file of `sizeBytes`, ascending, from the content that the archive has of it.
 *
 * @throws KelpieError `malformed` for a map that is none, or of which pieces overlap or reach beyond the file;
 * `limit-exceeded`
 */
export async function* sparsePieces(
  content: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  where: string,
): AsyncGenerator<SparsePiece, undefined> {
  const reader = new StreamReader(content, where);
  try {
    for (const { start, end } of await readMap(reader, sizeBytes, where)) {
      for (let offset = start; offset < end; ) {
        const bytes = await reader.readSome(Math.min(end - offset, chunkBytes));
        if (bytes === undefined) throw malformed("all pieces that its map names", "the end", where);
        yield { offset, bytes };
        offset += bytes.length;
      }
    }
    if ((await reader.readSome(1)) !== undefined) throw malformed("its pieces alone", "more", where);
  } finally {
    await reader.close();
  }
}

async function readMap(reader: StreamReader, sizeBytes: number, where: string): Promise<ByteRange[]> {
  const numbers = mapNumbers(reader, where);
  const next = async (): Promise<number> => (await numbers.next()).value ?? noNumber;
  const count = await next();
  if (count > maxPieces) {
    throw new KelpieError("limit-exceeded", "A file with holes has too many pieces", {
      expected: `at most ${maxPieces}`,
      where,
    });
  }
  const ranges: ByteRange[] = [];
  for (let end = 0; ranges.length < count; ) {
    const start = await next();
    const length = await next();
    if (start < end || start + length > sizeBytes) {
      throw malformed(`pieces in order within ${sizeBytes} bytes`, `${length} bytes at ${start}`, where);
    }
    end = start + length;
    ranges.push({ start, end });
  }
  return ranges;
}

/** The lines of a map, each a number, block by block: what follows the last in its block is nothing. */
async function* mapNumbers(reader: StreamReader, where: string): AsyncGenerator<number, undefined> {
  let line = "";
  for (;;) {
    const block = Buffer.from(await reader.readExactly(blockBytes, "The map of a file with holes"));
    for (const byte of block) {
      if (byte !== newline) {
        line += String.fromCharCode(byte);
        continue;
      }
      if (!/^\d{1,15}$/.test(line)) throw malformed("a number", JSON.stringify(line.slice(0, 40)), where);
      yield Number(line);
      line = "";
    }
    if (line.length > blockBytes) throw malformed("a number", "a line without an end", where);
  }
}

const newline = 0x0a;

/** The entries with those files that name their data ranges as files with holes. */
export function* withHoles(entries: Iterable<TarSourceEntry>): Generator<TarSourceEntry, undefined> {
  // A file that is met again becomes a hard link, which its writer knows by the node.
  const known = new Map<object, TarSourceEntry["node"]>();
  for (const entry of entries) {
    const { node } = entry;
    if (node.kind !== "file" || !isSeekable(node.content) || node.content.dataRanges === undefined) {
      yield entry;
      continue;
    }
    const { content } = node;
    const stored = known.get(node) ?? { ...node, content: storedSource(content, content.dataRanges ?? []) };
    known.set(node, stored);
    const records = [
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", entry.path],
      ["GNU.sparse.realsize", `${content.sizeBytes}`],
    ] as const;
    yield { ...entry, node: stored, paxRecords: new Map([...(entry.paxRecords ?? []), ...records]) };
  }
}

function isSeekable(content: ByteSource): content is SeekableSource {
  return content.readInto !== undefined;
}

/** What the archive has of a file: the map, and the pieces. */
function storedSource(content: SeekableSource, ranges: readonly ByteRange[]): ByteSource {
  const { sizeBytes } = content;
  // GNU tar gives a file that ends with a hole its length by a last piece of nothing.
  const isHoleLast = (ranges.at(-1)?.end ?? 0) < sizeBytes;
  const pieces = isHoleLast ? [...ranges, { start: sizeBytes, end: sizeBytes }] : ranges;
  const lines = pieces.flatMap(({ start, end }) => [start, end - start]);
  const text = [pieces.length, ...lines].map((line) => `${line}\n`).join("");
  const map = Buffer.alloc(Math.ceil(text.length / blockBytes) * blockBytes);
  map.write(text, "latin1");
  return {
    sizeBytes: ranges.reduce((sum, { start, end }) => sum + end - start, map.length),
    async *open(signal) {
      yield map;
      for (const { start, end } of ranges) {
        for (let at = start; at < end; at += chunkBytes) {
          signal?.throwIfAborted();
          const chunk = new Uint8Array(Math.min(chunkBytes, end - at));
          await content.readInto(chunk, at);
          yield chunk;
        }
      }
    },
  };
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a file with holes", { expected, found, where });
}
