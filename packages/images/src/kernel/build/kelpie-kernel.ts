// Kelpie's kernel from a checkout's configuration, for whoever wants it by itself: configured, compiled or from the cache.

import type { Architecture, Platform } from "@kelpie/platform";
import type { DebianRepository } from "@kelpie/repositories";
import { buildKernel, cachedKernel } from "./build-kernel.ts";
import type { BuiltKernel } from "./built-kernel.ts";
import type { KernelIngredients } from "./ingredients.ts";
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
  const { platform, home, signal, onProgress = () => undefined } = options;
  const { ingredients, repository } = await gather(options);
  const { source } = ingredients;
  const download = (): Promise<string> => repository.download(source, signal);
  return await buildKernel({ platform, home, ingredients, download, onProgress, signal });
}

/** The same where it is in the cache, and undefined where it would have to be compiled. */
export async function cachedKelpieKernel(options: KelpieKernelOptions): Promise<BuiltKernel | undefined> {
  const { platform, home } = options;
  return await cachedKernel(platform, home, (await gather(options)).ingredients);
}

async function gather(
  options: KelpieKernelOptions,
): Promise<{ readonly ingredients: KernelIngredients; readonly repository: DebianRepository }> {
  const { platform, home, architecture, configDirectory, fragments, signal } = options;
  const { onProgress = () => undefined } = options;
  const recipe = await readKernelRecipe(platform.files, configDirectory, architecture, fragments);
  const { compiler } = await findKernelTools(platform, architecture, signal);
  const repository = await kernelRepository({ platform, home, architecture, onProgress, signal });
  const source = repository.find(kernelSourcePackage);
  return { ingredients: { architecture, recipe, source, compiler }, repository };
}
