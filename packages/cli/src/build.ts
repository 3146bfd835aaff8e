// Building an image as the commands do it: spec and source chosen, requirements checked, progress printed.

import { type Architecture, architectures, KelpieError } from "@kelpie/platform";
import {
  type BuildProgress,
  type BuiltImage,
  buildImage,
  loadSpec,
  parseReleaseVersion,
  sourceIdentity,
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
}

/** Builds one image and shows its phases. */
export async function build(
  context: CommandContext,
  phases: Phases,
  request: BuildRequest,
): Promise<BuiltImage> {
  const { platform, home, installation, signal } = context;
  const { architecture, version, baseTarball, offline = false } = request;
  const overrides = baseTarball === undefined ? {} : { baseTarball };
  const spec = await loadSpec(platform, request.spec, architecture, overrides);
  return buildImage({
    platform,
    home,
    spec,
    release: parseReleaseVersion(version ?? spec.version),
    source: await sourceIdentity(platform, installation.root),
    guestDirectory: installation.guest,
    offline,
    onProgress: (progress) => show(phases, progress),
    signal,
  });
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

/** The architecture that an option names; this machine's where it names none. */
export function architectureOf(context: CommandContext, option: string | undefined): Architecture {
  const { architecture } = context.platform.host;
  if (option === undefined && architecture !== undefined) return architecture;
  const found = architectures.find((candidate) => candidate === option);
  if (found !== undefined) return found;
  throw new KelpieError("usage", "There is no such architecture", {
    expected: architectures.join(" or "),
    found: option ?? "a machine of another kind",
  });
}
