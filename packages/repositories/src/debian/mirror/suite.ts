// One suite on a mirror: the Packages indexes that its signed Release vouches for.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { collect, decompress, fileSource } from "@kelpie/formats";
import { KelpieError, writeFileAtomic } from "@kelpie/platform";
import { downloadVerified } from "../../download.ts";
import type { IndexPart } from "../package-index.ts";
import type { Release, ReleaseEntry } from "./release.ts";
import { type SuiteOptions, suiteUrl } from "./suite-options.ts";
import { currentRelease, markRefreshed } from "./suite-release.ts";

const maxIndexBytes = 512 << 20;

/**
 * The suite's indexes, verified from the archive's signature down, in the order of the components.
 *
 * @throws KelpieError `signature-invalid`, `untrusted-key`, `digest-mismatch`, `not-found`, `unreachable`, `malformed`.
 */
export async function openSuite(options: SuiteOptions): Promise<IndexPart[]> {
  const { platform, directory, mirror, suite, components, architecture } = options;
  await platform.files.makeDirectory(directory);
  const { release, isNew } = await currentRelease(options);
  const parts: IndexPart[] = [];
  for (const component of components) {
    const bytes = await indexOf(options, release, `${component}/binary-${architecture}/Packages`);
    parts.push({ bytes, repositoryUrl: mirror, label: `${mirror} ${suite}/${component} ${architecture}` });
  }
  if (isNew) {
    await prune(options, release);
    await markRefreshed(options);
  }
  return parts;
}

/** Indexes of earlier releases are of no use any more. */
async function prune({ platform: { files }, directory }: SuiteOptions, release: Release): Promise<void> {
  const current = new Set([...release.entries.values()].map(({ sha256 }) => `${sha256}.Packages`));
  for (const name of await files.list(directory))
    if (name.endsWith(".Packages") && !current.has(name)) await files.remove(join(directory, name));
}

/** The uncompressed index: from the cache if it is there and right, else by one of its compressed forms. */
async function indexOf(options: SuiteOptions, release: Release, path: string): Promise<Uint8Array> {
  const { platform, directory } = options;
  const plain = release.entries.get(path);
  if (plain === undefined) {
    throw new KelpieError("not-found", "A release has no such index", {
      expected: path,
      where: suiteUrl(options),
    });
  }
  if (plain.sizeBytes > maxIndexBytes) {
    throw new KelpieError("limit-exceeded", "An index is too large", {
      expected: `at most ${maxIndexBytes} bytes`,
      found: String(plain.sizeBytes),
      where: path,
    });
  }
  const kept = join(directory, `${plain.sha256}.Packages`);
  if ((await platform.files.stat(kept))?.sizeBytes === plain.sizeBytes) {
    const bytes = await platform.files.readFile(kept, maxIndexBytes);
    if (isRight(bytes, plain)) return bytes;
  }
  const bytes = await fetchIndex(options, release, path, plain);
  await writeFileAtomic(platform, kept, bytes);
  return bytes;
}

async function fetchIndex(
  options: SuiteOptions,
  release: Release,
  path: string,
  plain: ReleaseEntry,
): Promise<Uint8Array> {
  const { platform, directory, offline, signal, transfer } = options;
  const extension = [".xz", ".gz", ""].find((candidate) => release.entries.has(path + candidate)) ?? "";
  const entry = release.entries.get(path + extension) ?? plain;
  const cachePath = join(directory, entry.sha256);
  const download = (url: string): Promise<void> =>
    downloadVerified(platform, {
      url,
      sizeBytes: entry.sizeBytes,
      sha256: entry.sha256,
      maxBytes: maxIndexBytes,
      cachePath,
      offline,
      signal,
      ...transfer,
    });
  const named = `${suiteUrl(options)}/${path}${extension}`;
  const byHash = `${named.slice(0, named.lastIndexOf("/"))}/by-hash/SHA256/${entry.sha256}`;
  try {
    if (!release.byHash) await download(named);
    else {
      // By hash, an index cannot change between the release that names it and its own download.
      await download(byHash).catch((error: unknown) => {
        if (KelpieError.is(error) && error.code === "not-found") return download(named);
        throw error;
      });
    }
    const compressed = fileSource(platform.files, cachePath, 0, entry.sizeBytes).open(signal);
    const bytes = await collect(
      decompress(compressed, { maxOutputBytes: plain.sizeBytes }),
      plain.sizeBytes,
      path,
    );
    if (isRight(bytes, plain)) return bytes;
    throw new KelpieError("digest-mismatch", "An index is not what its release says", {
      expected: `sha256 ${plain.sha256}`,
      where: named,
    });
  } finally {
    await platform.files.remove(cachePath);
  }
}

function isRight(bytes: Uint8Array, { sha256, sizeBytes }: ReleaseEntry): boolean {
  return bytes.length === sizeBytes && createHash("sha256").update(bytes).digest("hex") === sha256;
}
