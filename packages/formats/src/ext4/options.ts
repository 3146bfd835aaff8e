// What a caller decides about a file system, checked once.

import { KelpieError } from "@kelpie/platform";
import { blockBytes, blocksPerGroup, descriptorsPerBlock, maxFileSystemBytes } from "./constants.ts";

/** How a tree becomes an ext4 file system. The same tree and options give the same bytes. */
export interface Ext4Options {
  /** The volume's name: at most 16 bytes of UTF-8, without NUL. */
  readonly label: string;
  /** 32 bytes, from which the UUID and the seed of directory hashes are derived. */
  readonly seed: Uint8Array;
  /** The file system's own times, and the access, change and creation time of every inode. Seconds since the epoch. */
  readonly timestampSeconds: number;
  /** The size of the whole in bytes. Default: as large as its content and `freeBytes` need. */
  readonly size?: number | undefined;
  /** Room left for data, at least. Default: 16 MiB, or none where `size` is given. */
  readonly freeBytes?: number | undefined;
  /** How far the file system can grow in place: decides how many descriptor blocks are reserved. Default: 64 GiB. */
  readonly growableToBytes?: number | undefined;
  /** The size of the journal, 4 MiB to 1 GiB. Default: no journal. */
  readonly journalBytes?: number | undefined;
  /**
   * What a path's content belongs to: content of one region lies together, region by region in bytewise order of their names.
   * Default: one region, in the order of the tree.
   */
  readonly region?: ((path: string) => string) | undefined;
  /** Ends the writing with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

const seedBytes = 32;
const labelBytes = 16;
const defaultFreeBytes = 16 * 1024 ** 2;
const defaultGrowableToBytes = 64 * 1024 ** 3;
const minJournalBytes = 1024 * blockBytes;
const maxJournalBytes = 1024 ** 3;
/** The epoch bits of a timestamp add 0 to 3 times 2^32 to a signed 32-bit number. */
export const minSeconds = -(2 ** 31);
export const maxSeconds = 2 ** 31 + 3 * 2 ** 32 - 1;

/** The options with nothing left open; lengths in blocks. */
export interface ResolvedOptions {
  readonly label: Uint8Array;
  readonly seed: Uint8Array;
  readonly timestampSeconds: number;
  /** Undefined: as large as is needed. */
  readonly sizeBytes: number | undefined;
  readonly freeBlocks: number;
  /** Descriptor blocks in use and reserved, together. */
  readonly descriptorBlocks: number;
  readonly journalBlocks: number;
}

/**
 * Checks `options` and fills in the defaults.
 *
 * @throws KelpieError `invalid-input`
 */
export function resolveOptions(options: Ext4Options): ResolvedOptions {
  const label = new TextEncoder().encode(options.label);
  if (label.length > labelBytes || label.includes(0))
    throw invalid("label", `at most ${labelBytes} bytes without NUL`, JSON.stringify(options.label));
  if (options.seed.length !== seedBytes)
    throw invalid("seed", `${seedBytes} bytes`, `${options.seed.length}`);
  checkInteger("timestampSeconds", options.timestampSeconds, 0, maxSeconds);
  const { size, freeBytes = size === undefined ? defaultFreeBytes : 0, journalBytes = 0 } = options;
  const growableToBytes = options.growableToBytes ?? defaultGrowableToBytes;
  if (size !== undefined) checkInteger("size", size, blockBytes, maxFileSystemBytes);
  checkInteger("freeBytes", freeBytes, 0, maxFileSystemBytes);
  checkInteger("growableToBytes", growableToBytes, 0, maxFileSystemBytes);
  if (journalBytes !== 0) checkInteger("journalBytes", journalBytes, minJournalBytes, maxJournalBytes);
  return {
    label,
    seed: options.seed,
    timestampSeconds: options.timestampSeconds,
    sizeBytes: size,
    freeBlocks: Math.ceil(freeBytes / blockBytes),
    descriptorBlocks: Math.ceil(growableToBytes / (descriptorsPerBlock * blocksPerGroup * blockBytes)),
    journalBlocks: Math.ceil(journalBytes / blockBytes),
  };
}

function checkInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw invalid(name, `a whole number from ${min} to ${max}`, String(value));
}

function invalid(name: string, expected: string, found: string): KelpieError {
  return new KelpieError("invalid-input", `Cannot make an ext4 file system with this ${name}`, {
    expected,
    found,
  });
}
