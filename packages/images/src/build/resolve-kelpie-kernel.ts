// Kelpie's own kernel for an image: what it would be compiled from, and the kernel, from the cache or compiled.

import { KelpieError } from "@kelpie/platform";
import type { KernelIngredients } from "../kernel/build/ingredients.ts";
import { readKernelRecipe } from "../kernel/build/kernel-recipe.ts";
import { kernelSourcePackage } from "../kernel/build/kernel-source.ts";
import { readCompiledKernel } from "../kernel/read-compiled-kernel.ts";
import type { LockedImage } from "../plan/lock.ts";
import type { Repositories } from "./repositories.ts";
import type { ResolvedKernel } from "./resolved.ts";
import type { SourceOptions } from "./source-options.ts";

/**
 * With a lock, source, options and compiler must be its own; a compiler is looked for only where there is something to compile.
 *
 * @throws KelpieError `missing-tool`, `digest-mismatch` where the lock was written for other options.
 */
export async function resolveKelpieKernel(
  options: SourceOptions,
  repositories: Repositories,
  fragments: readonly string[],
): Promise<ResolvedKernel> {
  const { lock, platform, home, services, signal, spec } = options;
  const { architecture } = spec;
  const recipe = await readKernelRecipe(platform.files, options.kernelDirectory, architecture, fragments);
  if (lock !== undefined) requireLockedOptions(lock, recipe.digest);
  const repository = await repositories.kernelSource();
  const source = lock?.kernel ?? repository.find(kernelSourcePackage);
  const compiler =
    lock?.kernelBuild?.compiler ?? (await services.findKernelTools(platform, architecture, signal)).compiler;
  const ingredients: KernelIngredients = { architecture, recipe, source, compiler };
  return {
    plan: { source: "kelpie", package: source, config: recipe.digest, compiler },
    fetch: async (note) => {
      const built = await services.buildKernel({
        platform,
        home,
        ingredients,
        download: () => repository.download(source, signal),
        onProgress: note,
        signal,
      });
      return await readCompiledKernel(platform.files, architecture, built, signal);
    },
  };
}

function requireLockedOptions({ kernelBuild }: LockedImage, found: string): void {
  if (kernelBuild?.config === found) return;
  throw new KelpieError("digest-mismatch", "The kernel's options are not those that the lock names", {
    expected: kernelBuild?.config ?? "a kernel that is compiled",
    found,
    help: "Write the lock again: kelpie images lock",
  });
}
