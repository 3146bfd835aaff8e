// Reads tar archives: v7, ustar, pax and GNU long names, from hostile hands.

import { KelpieError } from "@kelpie/platform";
import { section } from "../stream/section.ts";
import { isZero } from "../zeros.ts";
import { StreamReader } from "../stream/stream-reader.ts";
import { blockBytes, parseTarHeader, type TarHeader } from "./header.ts";
import { mergePaxRecords, type PaxRecords, parsePaxRecords, paxText } from "./pax.ts";
import { type EntryFields, entryFields } from "./resolve-entry.ts";
import type { TarEntry } from "./tar-entry.ts";

/** What an archive may hold; more is `limit-exceeded`. */
export interface TarLimits {
  /** Default 1,000,000. */
  readonly maxEntries?: number;
  /** Of one file's content. Default 16 GiB. */
  readonly maxEntryBytes?: number;
  /** Of one extended header, pax or GNU. Default 1 MiB. */
  readonly maxHeaderBytes?: number;
}

export interface ReadTarOptions {
  readonly limits?: TarLimits;
  /**
   * What to do with a second entry of the same path: give it too (the last one wins, as for tar), or `malformed`.
   * Default `last-wins`.
   */
  readonly duplicates?: "last-wins" | "refuse";
  /** Whether to give files with holes, whose content is for `sparsePieces`; `unsupported` without. */
  readonly sparse?: boolean;
  /** For messages: which archive this is. */
  readonly where?: string;
}

const defaultLimits: Required<TarLimits> = {
  maxEntries: 1_000_000,
  maxEntryBytes: 16 * 2 ** 30,
  maxHeaderBytes: 2 ** 20,
};
const noRecords: PaxRecords = new Map();

/** Headers that came before an entry and speak of it. */
interface Pending {
  pax: PaxRecords | undefined;
  longName: string | undefined;
  longLink: string | undefined;
}

/**
 * The entries of an uncompressed tar archive, in order. A leading "/" or "./" is dropped. The archive ends with zero blocks
 * or, as the parts of an apk do, without; anything but zeros behind them is refused. An entry is given before its content has
 * come: only when the last one has been taken is it sure that the archive is whole.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path` (".." or NUL in a path or hard link), `unsupported`
 * (multi-volume entries, and sparse ones unless they are asked for).
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: ReadTarOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  const limits = { ...defaultLimits, ...options.limits };
  const reader = new StreamReader(source, options.where);
  const seen = options.duplicates === "refuse" ? new Set<string>() : undefined;
  let globalRecords = noRecords;
  let pending: Pending = { pax: undefined, longName: undefined, longLink: undefined };
  let count = 0;
  try {
    for (;;) {
      const where = reader.at();
      const header = await nextHeader(reader, where);
      if (header === undefined) break;
      count += 1;
      if (count > limits.maxEntries) throw tooMuch("entries", limits.maxEntries, where);
      switch (header.type) {
        case "g":
          globalRecords = mergePaxRecords(globalRecords, await paxRecords(reader, header, limits, where));
          requireSmall(globalRecords, limits.maxHeaderBytes, where);
          continue;
        case "x":
          refuseSecond(pending.pax, "extended header", where);
          pending.pax = await paxRecords(reader, header, limits, where);
          continue;
        case "L":
          refuseSecond(pending.longName, "long name", where);
          pending.longName = await gnuText(reader, header, limits, where);
          continue;
        case "K":
          refuseSecond(pending.longLink, "long link", where);
          pending.longLink = await gnuText(reader, header, limits, where);
          continue;
      }
      const records = mergePaxRecords(globalRecords, pending.pax ?? noRecords);
      const fields = entryFields(withLongNames(header, pending, records, where), records, {
        where,
        sparse: options.sparse === true,
      });
      pending = { pax: undefined, longName: undefined, longLink: undefined };
      if (fields.sizeBytes > limits.maxEntryBytes) {
        throw tooMuch(`bytes in ${fields.path}`, limits.maxEntryBytes, where);
      }
      if (seen?.has(fields.path) === true) {
        throw malformed("each path once", `${JSON.stringify(fields.path)} again`, where);
      }
      seen?.add(fields.path);
      yield* oneEntry(reader, fields);
    }
    if (pending.pax !== undefined || pending.longName !== undefined || pending.longLink !== undefined) {
      throw malformed("an entry after an extended header", "the end", reader.at());
    }
  } finally {
    await reader.close();
  }
}

async function* oneEntry(
  reader: StreamReader,
  fields: EntryFields,
): AsyncGenerator<TarEntry, void, undefined> {
  const contentOffset = reader.offset;
  const what = `The content of ${JSON.stringify(fields.path)}`;
  const part = section(reader, fields.sizeBytes, what);
  yield { ...fields, contentOffset, content: part.content };
  await part.finish();
  await reader.skip(paddingAfter(fields.sizeBytes), what);
}

/** The next header block, or undefined at the end of the archive. */
async function nextHeader(reader: StreamReader, where: string): Promise<TarHeader | undefined> {
  const block = await reader.readUpTo(blockBytes);
  if (block.length === 0) return undefined;
  if (block.length < blockBytes) throw malformed(`a header of ${blockBytes} bytes`, `${block.length}`, where);
  if (!isZero(block)) return parseTarHeader(block, where);
  for (let rest = await reader.readSome(2 ** 20); rest !== undefined; rest = await reader.readSome(2 ** 20)) {
    if (!isZero(rest)) throw malformed("only zeros after the end of the archive", "other bytes", where);
  }
  return undefined;
}

async function headerContent(
  reader: StreamReader,
  { sizeBytes }: TarHeader,
  limits: Required<TarLimits>,
  where: string,
): Promise<Uint8Array> {
  if (sizeBytes < 0) throw malformed("a size of at least 0", `${sizeBytes}`, where);
  if (sizeBytes > limits.maxHeaderBytes) {
    throw tooMuch("bytes in an extended header", limits.maxHeaderBytes, where);
  }
  const bytes = (await reader.readExactly(sizeBytes, "A tar extended header")).slice();
  await reader.skip(paddingAfter(sizeBytes), "A tar extended header");
  return bytes;
}

async function paxRecords(
  reader: StreamReader,
  header: TarHeader,
  limits: Required<TarLimits>,
  where: string,
): Promise<PaxRecords> {
  return parsePaxRecords(await headerContent(reader, header, limits, where), where);
}

/** GNU's long names end with a NUL, which its size counts. */
async function gnuText(
  reader: StreamReader,
  header: TarHeader,
  limits: Required<TarLimits>,
  where: string,
): Promise<string> {
  const bytes = await headerContent(reader, header, limits, where);
  const records = new Map([["GNU long name", bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes]]);
  return paxText(records, "GNU long name", where) ?? "";
}

function withLongNames(header: TarHeader, pending: Pending, records: PaxRecords, where: string): TarHeader {
  const { longName, longLink } = pending;
  if (longName === undefined && longLink === undefined) return header;
  for (const [long, key] of [
    [longName, "path"],
    [longLink, "linkpath"],
  ] as const) {
    const text = paxText(records, key, where);
    // Readers disagree on which of the two holds.
    if (long !== undefined && text !== undefined && text !== long) {
      throw malformed(`one ${key}`, `${JSON.stringify(long)} and ${JSON.stringify(text)}`, where);
    }
  }
  return { ...header, path: longName ?? header.path, linkTarget: longLink ?? header.linkTarget };
}

/** Each header has a bound; what many of them leave together has it too. */
function requireSmall(records: PaxRecords, maxBytes: number, where: string): void {
  let bytes = 0;
  for (const [key, value] of records) bytes += key.length + value.length;
  if (bytes > maxBytes) throw tooMuch("bytes in global headers", maxBytes, where);
}

function refuseSecond(first: unknown, what: string, where: string): void {
  if (first !== undefined) throw malformed(`one ${what} for an entry`, "two", where);
}

function paddingAfter(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a tar archive", { expected, found, where });
}

function tooMuch(what: string, limit: number, where: string): KelpieError {
  return new KelpieError("limit-exceeded", "A tar archive holds too much", {
    expected: `at most ${limit} ${what}`,
    found: "more",
    where,
  });
}
