// An official root file system archive, verified and uncompressed into the cache once.

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { decompress, fileSource, type FileTree, treeFromTar } from "@kelpie/formats";
import { KelpieError, type Platform, randomHex } from "@kelpie/platform";
import { downloadVerified } from "@kelpie/repositories";
import type { BaseTarball } from "../spec/schema.ts";

const maxTarballBytes = 8 * 1024 ** 3;
const maxUncompressedBytes = 32 * 1024 ** 3;
const maxEntries = 2_000_000;

export interface BaseTarballOptions {
  readonly platform: Platform;
  readonly cacheDirectory: string;
  readonly base: BaseTarball;
  readonly offline?: boolean;
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The tree of a base tarball; the contents of its files stay in the cache.
 *
 * @throws KelpieError `digest-mismatch`, `not-found`, `unreachable`, `malformed`.
 */
export async function baseTree(options: BaseTarballOptions): Promise<FileTree> {
  const { platform, signal } = options;
  const { files } = platform;
  const path = join(options.cacheDirectory, "base", `${options.base.sha512}.tar`);
  if ((await files.stat(path)) === undefined) await uncompress(options, path);
  const sizeBytes = (await files.stat(path))?.sizeBytes ?? 0;
  return treeFromTar(fileSource(files, path, 0, sizeBytes).open(signal), {
    limits: { maxEntries },
    where: options.base.tarball,
    contentAt: (offset, size) => fileSource(files, path, offset, size),
  });
}

async function uncompress(options: BaseTarballOptions, path: string): Promise<void> {
  const { files, random } = options.platform;
  const archive = await baseArchive(options);
  const sizeBytes = (await files.stat(archive))?.sizeBytes ?? 0;
  await files.makeDirectory(dirname(path));
  const temporary = `${path}.${randomHex(random, 6)}.tmp`;
  try {
    {
      await using handle = await files.open(temporary, "create", 0o644);
      const limits = { maxOutputBytes: maxUncompressedBytes };
      let position = 0;
      for await (const chunk of decompress(
        fileSource(files, archive, 0, sizeBytes).open(options.signal),
        limits,
      )) {
        await handle.write(chunk, position);
        position += chunk.length;
      }
      await handle.sync();
    }
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

/** The path of the verified archive, downloaded if it has to be. @throws KelpieError as {@link baseTree}. */
export async function baseArchive(options: BaseTarballOptions): Promise<string> {
  const { platform, base, cacheDirectory } = options;
  const { tarball, sha512 } = base;
  if (!/^https?:\/\//.test(tarball)) {
    await checkDigest(platform, tarball, base);
    return tarball;
  }
  const cachePath = join(cacheDirectory, "base", sha512);
  options.onProgress?.(`downloading ${tarball}`);
  await downloadVerified(platform, {
    url: tarball,
    maxBytes: maxTarballBytes,
    cachePath,
    verify: (path) => checkDigest(platform, path, base),
    ...(options.offline === undefined ? {} : { offline: options.offline }),
    signal: options.signal,
  });
  return cachePath;
}

async function checkDigest(
  { files }: Pick<Platform, "files">,
  path: string,
  base: BaseTarball,
): Promise<void> {
  const status = await files.stat(path);
  if (status?.kind !== "file") {
    throw new KelpieError("not-found", "The base tarball is not there", { where: path });
  }
  const hash = createHash("sha512");
  for await (const chunk of fileSource(files, path, 0, status.sizeBytes).open()) hash.update(chunk);
  const found = hash.digest("hex");
  if (found === base.sha512) return;
  throw new KelpieError("digest-mismatch", "The base tarball is not the one that the spec names", {
    expected: `sha512 ${base.sha512}`,
    found,
    where: path,
  });
}
