// Everything that a lock names, kept where its owner wants it: a build from it needs no mirror, no compiler and no cache.

import { dirname, join } from "node:path";
import { type Files, KelpieError, type Platform, randomHex } from "@kelpie/platform";
import { archivePath, type ResolvedPackage } from "@kelpie/repositories";
import { type BuildOptions, kernelDirectoryOf, requireLocked } from "../build/build-image.ts";
import { Repositories } from "../build/repositories.ts";
import { realServices } from "../build/services.ts";
import { cacheDirectory } from "../build/source-options.ts";
import type { GuestBinaries } from "../guest/guest-binaries.ts";
import { baseArchive } from "../rootfs/base-tarball.ts";
import { sha256Of } from "../plan/host-files.ts";
import type { LockedImage } from "../plan/lock.ts";

/** A build with a lock. */
export interface LockedBuild extends BuildOptions {
  readonly lock: LockedImage;
}

export interface VendorOptions extends LockedBuild {
  readonly keep: Keep;
  /** Takes the name of what is kept just now. */
  readonly onFile?: (name: string) => void;
}

/** Keeps the file at `path`, which stays as it is, under the relative path `place`. */
export type Keep = (place: string, path: string) => Promise<void>;

/** What was kept of one lock. */
export interface Vendored {
  readonly files: number;
  readonly sizeBytes: number;
}

/** Where the lock stands in a vendored directory. */
export function vendoredLockPath(directory: string): string {
  return join(directory, "lock.yaml");
}

/** Keeps copies in a directory, made where it is missing. What it holds already stays if it is right. */
export function keepIn(platform: Pick<Platform, "files" | "random">, directory: string): Keep {
  return (place, path) => putAside(platform, path, join(directory, place));
}

/**
 * Keeps every archive that the lock names, and the guest's programs: those of the cache, and what it does not have from where
 * the lock says. The spec's own files and a kernel of the host stay where they are.
 *
 * @throws KelpieError `digest-mismatch`, `signature-invalid`, `unreachable`, `cancelled`, `disk-full`.
 */
export async function vendorImage(options: VendorOptions): Promise<Vendored> {
  const { platform, home, spec, lock, signal, services = realServices } = options;
  const { offline = false, onFile = () => undefined } = options;
  const { files } = platform;
  const { architecture } = spec;
  const timestampSeconds = options.source.epochSeconds;
  const kernelDirectory = kernelDirectoryOf(options);
  const sources = {
    ...{ platform, home, spec, lock, services, timestampSeconds, offline, signal },
    kernelDirectory,
  };
  const repositories = new Repositories(sources, onFile);
  const cache = cacheDirectory(sources);
  const kept: string[] = [];
  const keep = async (from: string, place: string): Promise<void> => {
    signal?.throwIfAborted();
    await options.keep(place, from);
    kept.push(from);
  };

  for (const chosen of lockedPackages(lock)) {
    onFile(`${chosen.name} ${chosen.version}`);
    if (chosen.ecosystem === "debian") await (await repositories.debian()).download(chosen, signal);
    else await (await repositories.alpine()).fetch(chosen, signal);
    await keep(join(cache, archivePath(chosen)), archivePath(chosen));
  }
  if (spec.base !== undefined) {
    const { base } = spec;
    onFile(base.tarball);
    await keep(await baseArchive({ platform, cacheDirectory: cache, base, offline, signal }), basePath(base));
  }
  onFile("the guest's programs");
  const guest = await services.guestBinaries({
    platform,
    home,
    sourceDirectory: options.guestDirectory,
    architecture,
    onProgress: onFile,
    ...(signal === undefined ? {} : { signal }),
  });
  requireLocked(lock, guest);
  for (const program of ["init", "agent"] as const)
    await keep(guest[program], programPath(guest.digests[program]));
  return { files: kept.length, sizeBytes: await totalBytes(files, kept) };
}

/**
 * The same build from a vendored directory: archives are brought into the cache, where they are verified as all others, the
 * guest's programs are those of the lock, and nothing is downloaded.
 */
export async function buildFromVendored(options: LockedBuild, directory: string): Promise<LockedBuild> {
  const { platform, spec, lock, services = realServices } = options;
  const { files } = platform;
  const cache = cacheDirectory(options);
  for (const chosen of lockedPackages(lock)) {
    const [from, to] = [join(directory, archivePath(chosen)), join(cache, archivePath(chosen))];
    if ((await files.lstat(to)) === undefined && (await files.stat(from)) !== undefined)
      await putAside(platform, from, to);
  }
  return {
    ...options,
    offline: true,
    spec:
      spec.base === undefined
        ? spec
        : { ...spec, base: { ...spec.base, tarball: join(directory, basePath(spec.base)) } },
    services: { ...services, guestBinaries: () => vendoredPrograms(files, directory, lock) },
  };
}

/** The relative paths of all that a build of this lock takes. */
export function lockedPlaces(lock: LockedImage): readonly string[] {
  return [
    ...lockedPackages(lock).map(archivePath),
    ...(lock.base === undefined ? [] : [basePath(lock.base)]),
    programPath(lock.guest.init),
    programPath(lock.guest.agent),
  ];
}

function lockedPackages({ packages, kernel }: LockedImage): readonly ResolvedPackage[] {
  return kernel === undefined ? packages : [...packages, kernel];
}

/** The guest's programs by the lock's digests. @throws KelpieError `not-found`, `digest-mismatch`. */
async function vendoredPrograms(
  files: Files,
  directory: string,
  { guest }: LockedImage,
): Promise<GuestBinaries> {
  const place = async (program: "init" | "agent"): Promise<string> => {
    const path = join(directory, programPath(guest[program]));
    if ((await files.stat(path)) === undefined)
      throw new KelpieError("not-found", `The guest's ${program} is not among what was kept`, {
        where: path,
      });
    const found = await sha256Of(files, path);
    if (found === guest[program]) return path;
    throw new KelpieError("digest-mismatch", `The guest's ${program} is not the one that the lock names`, {
      expected: guest[program],
      found,
      where: path,
    });
  };
  return {
    init: await place("init"),
    agent: await place("agent"),
    digests: guest,
    compiler: "as it was kept",
  };
}

function programPath(digest: string): string {
  return `guest/${digest.replace(":", "-")}`;
}

function basePath({ sha512 }: { readonly sha512: string }): string {
  return `base/${sha512}`;
}

/** Leaves a copy at `to`; one that is there and as it should be stays. */
async function putAside(
  { files, random }: Pick<Platform, "files" | "random">,
  from: string,
  to: string,
): Promise<void> {
  if ((await files.stat(to)) !== undefined && (await sha256Of(files, to)) === (await sha256Of(files, from)))
    return;
  await files.makeDirectory(dirname(to));
  const unfinished = `${to}.${randomHex(random, 6)}.part`;
  try {
    await files.copyFile(from, unfinished);
    await files.rename(unfinished, to);
  } finally {
    await files.remove(unfinished);
  }
}

async function totalBytes(files: Pick<Files, "stat">, paths: readonly string[]): Promise<number> {
  let sum = 0;
  for (const path of new Set(paths)) sum += (await files.stat(path))?.sizeBytes ?? 0;
  return sum;
}
