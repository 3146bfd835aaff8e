// Builds an image: plan, tree, kernel, files, store. Nothing is visible in the store before all of it is right.

import { dirname, join } from "node:path";
import { fileSource } from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import { archivePath, type ResolvedPackage } from "@kelpie/repositories";
import { writeAttachments } from "../attachments/write-attachments.ts";
import type { GuestBinaries } from "../guest/guest-binaries.ts";
import { createPlan, type ImagePlan } from "../plan/image-plan.ts";
import type { LockedImage } from "../plan/lock.ts";
import { hostFiles, sha256Of } from "../plan/host-files.ts";
import { assembleRootfs } from "../rootfs/assemble.ts";
import type { GuestPrograms, ImageIdentity } from "../rootfs/identity.ts";
import { maxCargoLockBytes } from "../sbom/cargo-lock.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import { ImageStore, type StoredImage } from "../store/image-store.ts";
import { formatImageVersion, imageVersion, type ReleaseVersion } from "../version/image-version.ts";
import type { SourceIdentity } from "../version/source-identity.ts";
import { type BuildProgress, BuildReporter } from "./progress.ts";
import { type BuildServices, realServices } from "./services.ts";
import { cacheDirectory } from "./source-options.ts";
import { openSources, type Sources } from "./sources.ts";
import { writeImage } from "./write-image.ts";

export interface BuildOptions {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly spec: ImageSpec;
  /** The version's MAJOR.MINOR.PATCH[-PRERELEASE]; date and commit come from `source`. */
  readonly release: ReleaseVersion;
  /** The commit that the image is built from, and the time that all its files bear. */
  readonly source: SourceIdentity;
  /** `guest/` of a checkout: the sources of what runs in the VM. */
  readonly guestDirectory: string;
  /** The options of Kelpie's kernel; default `images/kernel` beside `guestDirectory`. */
  readonly kernelDirectory?: string;
  /** The lock's part for this spec: packages are those that it names, and the guest's programs must be its too. */
  readonly lock?: LockedImage | undefined;
  /** Nothing is downloaded: what the cache does not have is `unreachable`. */
  readonly offline?: boolean;
  readonly onProgress?: (progress: BuildProgress) => void;
  readonly signal?: AbortSignal | undefined;
  readonly services?: BuildServices;
}

export interface BuiltImage {
  readonly image: StoredImage;
  readonly plan: ImagePlan;
}

/**
 * Builds the image that a spec describes and adds it to the store.
 *
 * @throws KelpieError `unreachable` (a mirror, with the way out), `unresolvable`, `digest-mismatch`, `signature-invalid`,
 * `unsupported` (an install script that is not known), `cancelled`, `disk-full`, and what the parts say.
 */
export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const { platform, home, spec, signal } = options;
  const report = reporter(options);
  const { plan, sources, guest } = await prepare(options, report);
  const programs = await openPrograms(platform, guest);
  const userland = await report.run(
    "packages",
    (note) => sources.fetchUserland(note),
    ({ packages }) => `${packages.length} verified`,
  );
  const kernel = await report.run(
    "kernel",
    (note) => sources.fetchKernel(note),
    ({ release, modules }) =>
      `${release}, ${modules.length === 0 ? "all built in" : `${modules.length} modules`}`,
  );
  const tree = await report.run(
    "tree",
    () =>
      assembleRootfs(platform.files, {
        spec,
        tree: userland.tree,
        effects: userland.effects,
        identity: plan.identity,
        guest: programs,
      }),
    (result) => `${result.entries().reduce((count) => count + 1, 0)} entries`,
  );
  const recorded = {
    cargoLock: await readCargoLock(platform.files, options.guestDirectory),
    archiveDigest: (chosen: ResolvedPackage) => archiveDigest(platform.files, options, chosen),
  };
  const content = { spec, plan, tree, packages: userland.packages, kernel, guest, programs };
  const store = new ImageStore(platform, home);
  const image = await store.add(async (directory) => {
    const metadata = await writeImage(platform, directory, content, report, signal);
    return await report.run(
      "sbom",
      () => writeAttachments(platform.files, directory, { ...content, ...recorded, metadata, signal }),
      ({ attachments = {} }) => Object.keys(attachments).join(", "),
    );
  });
  return { image, plan };
}

/** What {@link buildImage} would build, without building it. */
export async function planImage(options: BuildOptions): Promise<ImagePlan> {
  return (await prepare(options, reporter(options))).plan;
}

interface Prepared {
  readonly plan: ImagePlan;
  readonly sources: Sources;
  readonly guest: GuestBinaries;
}

/** Repositories come first: where a mirror cannot be reached, nothing is compiled before that is said. */
async function prepare(options: BuildOptions, report: BuildReporter): Promise<Prepared> {
  const { platform, home, spec, lock, signal, services = realServices, offline = false } = options;
  const identity = identityOf(options);
  const { timestampSeconds } = identity;
  const sources = await report.run(
    "plan",
    (note) =>
      openSources(
        {
          ...{ platform, home, spec, lock, services, timestampSeconds, offline, signal },
          kernelDirectory: kernelDirectoryOf(options),
        },
        note,
      ),
    ({ packages }) =>
      [
        ...(spec.base === undefined ? [] : ["a base tarball"]),
        ...(packages.length === 0 ? [] : [`${packages.length} packages`]),
      ].join(", "),
  );
  const guest = await report.run(
    "guest",
    (note) =>
      services.guestBinaries({
        platform,
        home,
        sourceDirectory: options.guestDirectory,
        architecture: spec.architecture,
        onProgress: note,
        ...(signal === undefined ? {} : { signal }),
      }),
    ({ compiler }) => compiler,
  );
  if (lock !== undefined) requireLocked(lock, guest);
  const { packages, kernel } = sources;
  const host = await hostFiles(platform.files, spec);
  const plan = createPlan({ spec, identity, packages, kernel, guest: guest.digests, hostFiles: host });
  return { plan, sources, guest };
}

/** @throws KelpieError `digest-mismatch` where the guest's programs are not those of the lock. */
export function requireLocked(lock: LockedImage, { digests, compiler }: GuestBinaries): void {
  for (const program of ["init", "agent"] as const) {
    if (digests[program] === lock.guest[program]) continue;
    throw new KelpieError("digest-mismatch", `The guest's ${program} is not the one that the lock names`, {
      expected: lock.guest[program],
      found: `${digests[program]}, made by ${compiler}`,
      help: "Check out the sources that the lock was written for, or write it again: kelpie images lock",
    });
  }
}

async function readCargoLock(files: Platform["files"], guestDirectory: string): Promise<string> {
  return new TextDecoder().decode(
    await files.readFile(join(guestDirectory, "Cargo.lock"), maxCargoLockBytes),
  );
}

/** Of an archive that a build has fetched. */
async function archiveDigest(
  files: Platform["files"],
  options: Pick<BuildOptions, "home">,
  chosen: ResolvedPackage,
): Promise<string | undefined> {
  const path = join(cacheDirectory(options), archivePath(chosen));
  return (await files.stat(path)) === undefined ? undefined : await sha256Of(files, path);
}

/** Where the options of Kelpie's kernel are. */
export function kernelDirectoryOf({
  kernelDirectory,
  guestDirectory,
}: Pick<BuildOptions, "kernelDirectory" | "guestDirectory">): string {
  return kernelDirectory ?? join(dirname(guestDirectory), "images", "kernel");
}

function reporter({ platform, onProgress = () => undefined, signal }: BuildOptions): BuildReporter {
  return new BuildReporter(platform.clock, onProgress, signal);
}

function identityOf({ release, source: { epochSeconds, gitSha } }: BuildOptions): ImageIdentity {
  return {
    version: formatImageVersion(imageVersion(release, epochSeconds, gitSha)),
    gitSha,
    timestampSeconds: epochSeconds,
  };
}

async function openPrograms({ files }: Platform, guest: GuestBinaries): Promise<GuestPrograms> {
  const open = async (path: string): Promise<GuestPrograms["init"]> => {
    const status = await files.stat(path);
    if (status === undefined)
      throw new KelpieError("not-found", "A program of the guest is gone", { where: path });
    return fileSource(files, path, 0, status.sizeBytes);
  };
  return { init: await open(guest.init), agent: await open(guest.agent) };
}
