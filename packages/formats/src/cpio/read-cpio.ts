// Reads cpio archives in the "newc" and "crc" formats, from hostile hands.

import { KelpieError } from "@kelpie/platform";
import { section } from "../stream/section.ts";
import { StreamReader } from "../stream/stream-reader.ts";
import { normalizePath } from "../tree/path.ts";
import { headerBytes, type NewcFields, parseNewc, trailerName, typeBits } from "./newc-header.ts";

/** One cpio header with its content. */
export interface CpioEntry {
  /** Normalised as by `normalizePath`. */
  readonly path: string;
  readonly kind: "file" | "symlink" | "directory" | "character-device" | "block-device" | "fifo" | "socket";
  readonly inode: number;
  /** Permission bits, 0o0000 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  readonly mtimeSeconds: number;
  /** Of a device. */
  readonly major: number;
  readonly minor: number;
  /** A symlink's text, "" otherwise. */
  readonly linkTarget: string;
  /** Of the content. Of a file with several names only one entry has content. */
  readonly sizeBytes: number;
  /** Where the content begins in the uncompressed archive. */
  readonly contentOffset: number;
  /** The content; must be read, or left, before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface CpioLimits {
  /** Default 1,000,000. */
  readonly maxEntries?: number;
  /** Of one file's content. Default 4 GiB - 1. */
  readonly maxEntryBytes?: number;
}

const defaultLimits: Required<CpioLimits> = { maxEntries: 1_000_000, maxEntryBytes: 2 ** 32 - 1 };
const maxNameBytes = 4096;
const maxSymlinkBytes = 4095;
const decoder = new TextDecoder("utf-8", { fatal: true });

const kindOfType: ReadonlyMap<number, CpioEntry["kind"]> = new Map(
  Object.entries(typeBits).map(([kind, bits]) => [bits, kind as CpioEntry["kind"]]),
);

/**
 * The entries of one uncompressed cpio archive up to its trailer; only zeros may follow. The root (".") has path "".
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path`.
 */
export async function* readCpio(
  source: AsyncIterable<Uint8Array>,
  options: { readonly limits?: CpioLimits; readonly where?: string } = {},
): AsyncGenerator<CpioEntry, void, undefined> {
  const limits = { ...defaultLimits, ...options.limits };
  const reader = new StreamReader(source, options.where);
  try {
    for (let count = 0; ; count += 1) {
      const where = reader.at();
      const header = parseNewc(await reader.readExactly(headerBytes, "A cpio header"), where);
      const name = await readName(reader, header, where);
      if (name === trailerName) break;
      if (count >= limits.maxEntries) throw tooMuch(`${limits.maxEntries} entries`, where);
      if (header.sizeBytes > limits.maxEntryBytes)
        throw tooMuch(`${limits.maxEntryBytes} bytes in ${name}`, where);
      yield* oneEntry(reader, header, name, where);
    }
    for (
      let rest = await reader.readSome(2 ** 20);
      rest !== undefined;
      rest = await reader.readSome(2 ** 20)
    ) {
      if (rest.some((byte) => byte !== 0))
        throw malformed("only zeros after the trailer", "other bytes", reader.at());
    }
  } finally {
    await reader.close();
  }
}

async function* oneEntry(
  reader: StreamReader,
  header: NewcFields,
  name: string,
  where: string,
): AsyncGenerator<CpioEntry, void, undefined> {
  const kind = kindOfType.get(header.mode & 0o170000);
  if (kind === undefined) throw malformed("a known file type", `mode 0${header.mode.toString(8)}`, where);
  const path = normalizePath(name);
  if (path === "" && kind !== "directory") throw malformed("a name", JSON.stringify(name), where);
  const hasContent = kind === "file" || kind === "symlink";
  if (!hasContent && header.sizeBytes !== 0)
    throw malformed(`size 0 for a ${kind}`, `${header.sizeBytes}`, where);
  const contentOffset = reader.offset;
  const linkTarget = kind === "symlink" ? await readLink(reader, header.sizeBytes, where) : "";
  const part = section(
    reader,
    kind === "symlink" ? 0 : header.sizeBytes,
    `The content of ${JSON.stringify(path)}`,
  );
  const isDevice = kind === "character-device" || kind === "block-device";
  yield {
    path,
    kind,
    inode: header.inode,
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    linkCount: header.linkCount,
    mtimeSeconds: header.mtimeSeconds,
    major: isDevice ? header.major : 0,
    minor: isDevice ? header.minor : 0,
    linkTarget,
    sizeBytes: kind === "file" ? header.sizeBytes : 0,
    contentOffset,
    content: part.content,
  };
  await part.finish();
  await reader.skip(-header.sizeBytes & 3, "The padding of a cpio entry");
}

/** The name, with the NUL that its size counts and the padding after it. */
async function readName(reader: StreamReader, { nameBytes }: NewcFields, where: string): Promise<string> {
  if (nameBytes < 1 || nameBytes > maxNameBytes) {
    throw malformed(`a name of 1 to ${maxNameBytes} bytes`, `${nameBytes}`, where);
  }
  const bytes = await reader.readExactly(nameBytes, "A cpio name");
  if (bytes.at(-1) !== 0) throw malformed("a name that ends with NUL", "another byte", where);
  const name = decodeText(bytes.subarray(0, -1), where);
  await reader.skip(-(headerBytes + nameBytes) & 3, "The padding of a cpio name");
  return name;
}

async function readLink(reader: StreamReader, sizeBytes: number, where: string): Promise<string> {
  if (sizeBytes < 1 || sizeBytes > maxSymlinkBytes) {
    throw malformed(`a symlink's target of 1 to ${maxSymlinkBytes} bytes`, `${sizeBytes}`, where);
  }
  const target = decodeText(await reader.readExactly(sizeBytes, "A symlink in a cpio archive"), where);
  if (target.includes("\0")) throw malformed("a symlink's target without NUL", JSON.stringify(target), where);
  return target;
}

function decodeText(bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new KelpieError("malformed", "Cannot read a cpio archive", {
      expected: "names in UTF-8",
      found: JSON.stringify(Buffer.from(bytes).toString("latin1")),
      where,
      cause,
    });
  }
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a cpio archive", { expected, found, where });
}

function tooMuch(limit: string, where: string): KelpieError {
  return new KelpieError("limit-exceeded", "A cpio archive holds too much", {
    expected: `at most ${limit}`,
    found: "more",
    where,
  });
}
