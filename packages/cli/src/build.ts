// Building an image as the commands do it: spec and source chosen, requirements checked, progress printed.

import { join } from "node:path";
import { type Architecture, KelpieError } from "@kelpie/platform";
import {
  type BuildOptions,
  type BuildProgress,
  type BuiltImage,
  buildFromVendored,
  buildImage,
  fetchVendored,
  formatReference,
  type ImageSpec,
  loadSpec,
  type LockedImage,
  lockedFor,
  lockPath,
  maxLockBytes,
  parseLock,
  parseReleaseVersion,
  type SourceIdentity,
  sourceIdentity,
  vendoredLockPath,
  type VendoredPlace,
} from "@kelpie/images";
import type { CommandContext } from "./command.ts";
import type { Phases } from "./output/phases.ts";
import { installMissing, missingRequirements } from "./setup/install-missing.ts";
import type { Requirement } from "./setup/requirement.ts";

export interface BuildRequest {
  /** Path of the spec. */
  readonly spec: string;
  readonly architecture: Architecture;
  /** The spec's own when absent. */
  readonly version?: string | undefined;
  /** A local copy of the spec's base tarball. */
  readonly baseTarball?: string | undefined;
  readonly offline?: boolean | undefined;
  /** Which lock is taken; the one beside the spec, where there is one, when absent. */
  readonly lock?: LockChoice | undefined;
  /** The checkout's own when absent. */
  readonly source?: SourceIdentity | undefined;
}

export type LockChoice =
  | { readonly kind: "none" }
  /** It must be there. */
  | { readonly kind: "file"; readonly path: string }
  /** What `kelpie images vendor` has kept in a directory or an artifact, and nothing else. */
  | { readonly kind: "vendored"; readonly from: string | VendoredPlace };

/** Builds one image and shows its phases. */
export async function build(
  context: CommandContext,
  phases: Phases,
  request: BuildRequest,
): Promise<BuiltImage> {
  return buildImage(await buildOptions(context, phases, request));
}

/** A request with all that it names read: spec, lock and the checkout's commit. */
export async function buildOptions(
  context: CommandContext,
  phases: Phases,
  request: BuildRequest,
): Promise<BuildOptions> {
  const { platform, home, installation, signal } = context;
  const { architecture, version, baseTarball, offline = false, source } = request;
  const overrides = baseTarball === undefined ? {} : { baseTarball };
  const spec = await loadSpec(platform, request.spec, architecture, overrides);
  const directory = await vendoredDirectory(context, phases, request);
  const lock = await readLock(context, request, spec, directory);
  const options = {
    platform,
    home,
    spec,
    release: parseReleaseVersion(version ?? spec.version),
    source: source ?? (await sourceIdentity(platform, installation.root)),
    guestDirectory: installation.guest,
    lock,
    offline,
    onProgress: (progress: BuildProgress) => show(phases, progress),
    signal,
  };
  return directory !== undefined && lock !== undefined
    ? buildFromVendored({ ...options, lock }, directory)
    : options;
}

/** Where what was vendored lies, brought here first from an artifact. Undefined for a build of another kind. */
async function vendoredDirectory(
  { platform, home, signal }: CommandContext,
  phases: Phases,
  { lock, architecture }: BuildRequest,
): Promise<string | undefined> {
  if (lock?.kind !== "vendored") return undefined;
  const { from } = lock;
  if (typeof from === "string") return from;
  return phases.run(
    "vendored",
    () => fetchVendored(platform, join(home, "cache"), from, architecture, { signal }),
    () => (from.kind === "layout" ? from.directory : formatReference(from.reference)),
  );
}

async function readLock(
  { platform: { files } }: CommandContext,
  request: BuildRequest,
  spec: ImageSpec,
  vendored: string | undefined,
): Promise<LockedImage | undefined> {
  const { lock } = request;
  if (lock?.kind === "none") return undefined;
  const path =
    lock?.kind === "file"
      ? lock.path
      : vendored === undefined
        ? lockPath(request.spec)
        : vendoredLockPath(vendored);
  if ((await files.stat(path)) === undefined) {
    if (lock === undefined) return undefined;
    const kind = lock.kind === "file" ? "lock" : "vendor --output DIR";
    throw new KelpieError("not-found", "There is no lock", {
      where: path,
      help: `Write one: kelpie images ${kind} --spec ${request.spec}`,
    });
  }
  const text = new TextDecoder().decode(await files.readFile(path, maxLockBytes));
  return lockedFor(parseLock(text, path), spec, path);
}

function show(phases: Phases, progress: BuildProgress): void {
  switch (progress.kind) {
    case "started":
      phases.now(progress.phase, "");
      break;
    case "working":
      phases.now(progress.phase, progress.note);
      break;
    case "finished":
      phases.done(progress.phase, progress.durationMs, progress.summary);
      break;
    default:
      progress satisfies never;
  }
}

/** Installs what is missing of `requirements`. */
export async function requirePrograms(
  context: CommandContext,
  requirements: readonly Requirement[],
): Promise<void> {
  const missing = await missingRequirements(context.platform, requirements);
  if (missing.length > 0) await installMissing(context.platform, context.terminal, missing, context.signal);
}
