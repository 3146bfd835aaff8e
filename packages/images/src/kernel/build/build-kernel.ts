// Kelpie's own kernel: compiled once for each configuration, source and compiler, then taken from the cache.

import { join } from "node:path";
import { identifyKernel, maxKernelBytes } from "@kelpie/formats";
import {
  acquireFileLock,
  type Architecture,
  KelpieError,
  type Platform,
  writeFileAtomic,
} from "@kelpie/platform";
import { type BuiltKernel, readBuiltKernel, recordName, writeRecord } from "./built-kernel.ts";
import { compileKernel } from "./compile-kernel.ts";
import { kernelCachePath, type KernelIngredients } from "./ingredients.ts";
import { findKernelTools } from "./kernel-tools.ts";

const mostMinutes = 120;

export interface KernelBuildOptions {
  readonly platform: Platform;
  /** KELPIE_HOME: everything is kept under its `cache/kernel`. */
  readonly home: string;
  readonly ingredients: KernelIngredients;
  /** Brings the source's verified .deb, or takes it from the cache. Asked only where something is to be compiled. */
  readonly download: () => Promise<string>;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** The kernel of these ingredients, if it has been built and every byte of it is as it was then. */
export function cachedKernel(
  { files }: Pick<Platform, "files">,
  home: string,
  ingredients: KernelIngredients,
): Promise<BuiltKernel | undefined> {
  return readBuiltKernel(files, kernelCachePath(home, ingredients));
}

/**
 * The kernel of these ingredients, from the cache or compiled, which takes minutes. Any number of processes may ask at once.
 *
 * @throws KelpieError `invalid-input` naming options that did not take effect, `process-failed` with the compiler's words,
 * `malformed` where what was compiled is no kernel, `disk-full`, `cancelled`, and what `download` throws.
 */
export async function buildKernel(options: KernelBuildOptions): Promise<BuiltKernel> {
  const { platform, home, ingredients, download, onProgress, signal } = options;
  const { architecture, compiler, source } = ingredients;
  const { files } = platform;
  const cached = await cachedKernel(platform, home, ingredients);
  if (cached !== undefined) return cached;
  const cache = join(home, "cache", "kernel");
  await files.makeDirectory(cache);
  await using _lock = await acquireFileLock(platform, join(cache, `.${architecture}.lock`), {
    purpose: `compiling the kernel for ${architecture}`,
    timeoutMs: mostMinutes * 60_000,
    ...(signal === undefined ? {} : { signal }),
  });
  const finished = await cachedKernel(platform, home, ingredients);
  if (finished !== undefined) return finished;
  const tools = await findKernelTools(platform, architecture, signal);
  if (tools.compiler.identity !== compiler.identity)
    throw anotherCompiler(compiler.name, tools.compiler.name);
  onProgress(`compiling Linux ${source.version} for ${architecture} with ${compiler.name}: minutes, once`);
  const sourceArchive = await download();
  const work = join(cache, `build-${architecture}`);
  await files.remove(work);
  await files.makeDirectory(work);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => files.remove(work));
  const start = platform.clock.monotonicMs();
  const compiled = await compileKernel(platform, {
    ...ingredients,
    tools,
    sourceArchive,
    work,
    onProgress,
    signal,
  });
  const seconds = Math.round((platform.clock.monotonicMs() - start) / 1000);
  const directory = kernelCachePath(home, ingredients);
  const unfinished = `${directory}.new`;
  await files.remove(unfinished);
  await files.makeDirectory(unfinished);
  for (const [name, path] of Object.entries(compiled.files)) {
    const bytes = await files.readFile(path, maxKernelBytes);
    if (name.startsWith("vmlinu")) requireKernel(bytes, architecture, name);
    await writeFileAtomic(platform, join(unfinished, name), bytes);
  }
  await writeRecord(platform, unfinished, compiled.release, ingredients, seconds);
  await files.remove(directory);
  await files.rename(unfinished, directory);
  const built = await cachedKernel(platform, home, ingredients);
  if (built !== undefined) return built;
  throw new KelpieError("internal", "A kernel was built and is not there", {
    where: join(directory, recordName),
  });
}

function anotherCompiler(expected: string, found: string): KelpieError {
  return new KelpieError("digest-mismatch", "The kernel was locked with another compiler", {
    expected,
    found: expected === found ? `${found}, with other binutils` : found,
    help: "Write the lock again: kelpie images lock",
  });
}

function requireKernel(bytes: Uint8Array, architecture: Architecture, name: string): void {
  const found = identifyKernel(bytes, name);
  if (found.kind !== "compressed" && found.architecture === architecture) return;
  throw new KelpieError("malformed", "What was compiled is no kernel for this machine", {
    expected: architecture,
    found: found.kind === "compressed" ? found.compression : found.architecture,
    where: name,
  });
}
