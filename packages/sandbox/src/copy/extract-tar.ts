// A guest's tar archive unpacked on the host: nothing is made or changed outside the directory, whatever is in it.

import { dirname, join } from "node:path";
import { isZero, readTar, sparsePieces, type SparsePiece, type TarEntry } from "@kelpie/formats";
import { KelpieError, type Platform, randomHex } from "@kelpie/platform";
import { tooMuch } from "./copy.ts";

/** What an extraction may take. */
export interface ExtractLimits {
  readonly maxEntries: number;
  /** Of all contents together. */
  readonly maxBytes: number;
}

/** What was made, and what was left out: lines for a person. */
export interface Extracted {
  readonly files: number;
  readonly bytes: number;
  readonly skipped: readonly string[];
}

type Parts = Pick<Platform, "files" | "random">;

const where = "what the guest sends";
const permissions = 0o777;
/** The last instant of the year 2105: as FAT has it. */
const latestMs = 4_291_747_199_000;
const maxSkippedLines = 100;
/** Of the names of directories, which are remembered until the end. */
const maxNamesBytes = 64 << 20;

/**
 * Unpacks `archive` below the existing directory `root`. Everything belongs to the calling user, without setuid, setgid
 * and sticky bits; devices and pipes are left out. A file takes its place whole.
 *
 * @throws KelpieError `unsafe-path` for an entry that would lead out of `root`, `malformed`, `limit-exceeded`
 */
export async function extractTar(
  platform: Parts,
  archive: AsyncIterable<Uint8Array>,
  root: string,
  limits: ExtractLimits,
): Promise<Extracted> {
  const { files } = platform;
  const base = await files.realPath(root);
  const modes = new Map<string, number>();
  const skipped: string[] = [];
  let fileCount = 0;
  let bytes = 0;
  let namesBytes = 0;
  const { maxEntries, maxBytes } = limits;
  const tar = readTar(archive, { where, sparse: true, limits: { maxEntries, maxEntryBytes: maxBytes } });
  for await (const entry of tar) {
    if (entry.path === "") continue;
    const target = join(base, entry.path);
    await requireDirectory(files, base, dirname(target), entry.path);
    bytes += Math.max(entry.sizeBytes, entry.sparseSizeBytes ?? 0);
    if (bytes > maxBytes) throw tooMuch(maxBytes);
    switch (entry.kind) {
      case "directory":
        await makeDirectory(files, target);
        modes.set(target, entry.mode & permissions);
        namesBytes += target.length;
        if (namesBytes > maxNamesBytes) throw tooManyNames();
        break;
      case "file":
        await replace(platform, target, (temporary) => writeFile(files, temporary, entry));
        fileCount++;
        break;
      case "symlink":
        await replace(platform, target, (temporary) => files.symlink(entry.linkTarget, temporary));
        fileCount++;
        break;
      case "hard-link":
        await link(platform, base, target, entry);
        fileCount++;
        break;
      case "fifo":
      case "character-device":
      case "block-device":
        if (skipped.length < maxSkippedLines) skipped.push(`${entry.path} is a ${entry.kind}`);
        break;
      default:
        entry.kind satisfies never;
    }
  }
  // Last, because one that cannot be written to could not be filled.
  for (const [directory, mode] of [...modes].reverse()) await files.setMode(directory, mode);
  return { files: fileCount, bytes, skipped };
}

/** A guest's time as one that every file system of a host can keep. */
export function hostTimeMs(modifiedMs: number): number {
  return Math.min(Math.max(modifiedMs, 0), latestMs);
}

/** Every step from `base` to `directory` must be a directory, and no link: an archive may have put one there before. */
async function requireDirectory(
  files: Platform["files"],
  base: string,
  directory: string,
  path: string,
): Promise<void> {
  if (directory !== base && !directory.startsWith(`${base}/`)) throw leadsOut(path);
  for (let at = directory; at !== base; at = dirname(at)) {
    const status = await files.lstat(at);
    if (status?.kind === "directory") continue;
    if (status !== undefined) throw leadsOut(path);
    await requireDirectory(files, base, dirname(at), path);
    await files.makeNewDirectory(at);
  }
}

async function makeDirectory(files: Platform["files"], target: string): Promise<void> {
  const status = await files.lstat(target);
  if (status?.kind === "directory") return;
  if (status !== undefined) {
    throw new KelpieError("already-exists", "A directory cannot take the place of something else", {
      where: target,
    });
  }
  await files.makeNewDirectory(target, 0o700);
}

/**
 * Makes something under a temporary name and moves it to its place, which a file or a link may have: a rename follows no
 * link. `already-exists` where a directory, a device, a pipe or a socket stands, which no copy may take away.
 */
export async function replace(
  { files, random }: Parts,
  target: string,
  make: (temporary: string) => Promise<void>,
): Promise<void> {
  const status = await files.lstat(target);
  if (status !== undefined && status.kind !== "file" && status.kind !== "symlink") {
    throw new KelpieError("already-exists", `A file cannot take the place of a ${status.kind}`, {
      where: target,
    });
  }
  const temporary = join(dirname(target), `.kelpie-${randomHex(random, 8)}.tmp`);
  try {
    await make(temporary);
    await files.rename(temporary, target);
  } finally {
    await files.remove(temporary);
  }
}

async function writeFile(files: Platform["files"], path: string, entry: TarEntry): Promise<void> {
  const { sparseSizeBytes, content } = entry;
  if (sparseSizeBytes === undefined) await writeNewFile(files, path, content);
  else await writePieces(files, path, sparsePieces(content, sparseSizeBytes, where), () => sparseSizeBytes);
  await files.setMode(path, entry.mode & permissions);
  await files.setModifiedTime(path, hostTimeMs(entry.mtimeSeconds * 1000));
}

/** Writes a file that must not be there, with holes where there are zeros; returns its size. */
export async function writeNewFile(
  files: Platform["files"],
  path: string,
  content: AsyncIterable<Uint8Array>,
  maxBytes = Infinity,
): Promise<number> {
  let sizeBytes = 0;
  async function* pieces(): AsyncGenerator<SparsePiece, undefined> {
    for await (const bytes of content) {
      const offset = sizeBytes;
      sizeBytes += bytes.length;
      if (sizeBytes > maxBytes) throw tooMuch(maxBytes);
      yield { offset, bytes };
    }
  }
  await writePieces(files, path, pieces(), () => sizeBytes);
  return sizeBytes;
}

/** Writes the pieces of a file that must not be there, and gives it its size. */
async function writePieces(
  files: Platform["files"],
  path: string,
  pieces: AsyncIterable<SparsePiece>,
  sizeBytes: () => number,
): Promise<void> {
  await using handle = await files.open(path, "create", 0o600);
  let end = 0;
  for await (const { offset, bytes } of pieces) {
    if (isZero(bytes)) continue;
    await handle.write(bytes, offset);
    end = offset + bytes.length;
  }
  if (sizeBytes() > end) await handle.truncate(sizeBytes());
}

async function link(platform: Parts, base: string, target: string, entry: TarEntry): Promise<void> {
  const { files } = platform;
  const existing = join(base, entry.linkTarget);
  await requireDirectory(files, base, dirname(existing), entry.linkTarget);
  if ((await files.lstat(existing))?.kind !== "file") throw leadsOut(entry.path);
  await replace(platform, target, (temporary) => files.hardLink(existing, temporary));
}

function leadsOut(path: string): KelpieError {
  return new KelpieError("unsafe-path", "The guest's archive would write outside the destination", {
    where: JSON.stringify(path.slice(0, 200)),
  });
}

function tooManyNames(): KelpieError {
  return new KelpieError("limit-exceeded", "The guest sends too many directories", {
    expected: `at most ${maxNamesBytes} bytes of names`,
  });
}
