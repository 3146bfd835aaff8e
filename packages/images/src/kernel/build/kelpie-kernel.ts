// Kelpie's kernel from a checkout's configuration, for whoever wants it by itself: configured, compiled or from the cache.

import type { Architecture, Platform } from "@kelpie/platform";
import { buildKernel } from "./build-kernel.ts";
import type { BuiltKernel } from "./built-kernel.ts";
import { readKernelRecipe } from "./kernel-recipe.ts";
import { kernelRepository, kernelSourcePackage } from "./kernel-source.ts";
import { findKernelTools } from "./kernel-tools.ts";

export interface KelpieKernelOptions {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly architecture: Architecture;
  /** `images/kernel` of a checkout. */
  readonly configDirectory: string;
  /** Files whose options come on top, each over those before it. */
  readonly fragments?: readonly string[];
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Compiles the kernel, or takes it from the cache where source, options and compiler are those of an earlier build.
 *
 * @throws KelpieError `missing-tool` with the command that installs what is missing, and as `buildKernel` and `openDebian`.
 */
export async function kelpieKernel(options: KelpieKernelOptions): Promise<BuiltKernel> {
  const { platform, home, architecture, configDirectory, fragments, signal } = options;
  const { onProgress = () => undefined } = options;
  const recipe = await readKernelRecipe(platform.files, configDirectory, architecture, fragments);
  const { compiler } = await findKernelTools(platform, architecture, signal);
  const repository = await kernelRepository({ platform, home, architecture, onProgress, signal });
  const source = repository.find(kernelSourcePackage);
  return await buildKernel({
    platform,
    home,
    ingredients: { architecture, recipe, source, compiler },
    download: () => repository.download(source, signal),
    onProgress,
    signal,
  });
}
