// Configures and compiles one kernel in a directory of its own. The same source, options and compiler give the same bytes
// whatever the directory, user, machine and time.

import { join } from "node:path";
import { type Architecture, type Files, KelpieError, type Platform } from "@kelpie/platform";
import { maxConfigBytes, optionText, parseKernelConfig, unmetOptions } from "./kernel-config.ts";
import type { KernelRecipe } from "./kernel-recipe.ts";
import type { KernelTools } from "./kernel-tools.ts";
import { runStep } from "../../run-step.ts";
import { unpackKernelSource } from "./unpack-source.ts";

export interface Compilation {
  readonly architecture: Architecture;
  readonly recipe: KernelRecipe;
  readonly tools: KernelTools;
  /** The verified package with the source. */
  readonly sourceArchive: string;
  /** Empty. Source, objects and results stand in it. */
  readonly work: string;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Where a build has left what an image takes of it. */
export interface CompiledKernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** The files by the names that the cache keeps them under. */
  readonly files: Readonly<Record<string, string>>;
}

const timeoutMs = 7_200_000;

/** What the kernel's makefiles call an architecture, which target makes its images, and where those come to stand. */
const machines: Readonly<
  Record<
    Architecture,
    { readonly arch: string; readonly target: string; readonly images: Readonly<Record<string, string>> }
  >
> = {
  amd64: {
    arch: "x86_64",
    target: "bzImage",
    // The second is the ELF vmlinux without symbols, from which the first is made.
    images: { vmlinuz: "arch/x86/boot/bzImage", vmlinux: "arch/x86/boot/compressed/vmlinux.bin" },
  },
  arm64: { arch: "arm64", target: "Image", images: { vmlinuz: "arch/arm64/boot/Image" } },
};

const lists = {
  config: ".config",
  "modules.builtin": "modules.builtin",
  "modules.builtin.modinfo": "modules.builtin.modinfo",
};
const compiled = /^\s+(?:\[M\]|CC|AS|LD|AR|HOSTCC|HOSTLD|GEN|OBJCOPY|ZSTD\w*|RELOCS|BUILD)\s+(\S+)/;

/**
 * Unpacks, configures and compiles.
 *
 * @throws KelpieError `invalid-input` naming every option that did not take effect, `process-failed` with the compiler's words,
 * `disk-full`, `cancelled`.
 */
export async function compileKernel(
  platform: Pick<Platform, "clock" | "files" | "host" | "processes">,
  options: Compilation,
): Promise<CompiledKernel> {
  const { architecture, recipe, work, sourceArchive, onProgress, signal } = options;
  const { files } = platform;
  const source = join(work, "source");
  const output = join(work, "output");
  for (const directory of [source, output]) await files.makeDirectory(directory);
  const base = baseEnvironment(platform.host.environment);
  onProgress("unpacking the source");
  const packedSeconds = await unpackKernelSource(platform, {
    archive: sourceArchive,
    directory: source,
    environment: base,
    signal,
  });
  const environment = { ...base, ...buildIdentity(packedSeconds) };
  const make = (what: string, onLine: (line: string) => void, ...targets: string[]): Promise<void> =>
    runStep(platform, {
      what,
      program: "make",
      args: [`O=${output}`, ...machineArguments(options), ...targets],
      environment,
      cwd: source,
      onLine,
      timeoutMs,
      signal,
    });

  onProgress("configuring");
  const fragment = join(output, "kelpie.config");
  await writeText(files, fragment, recipe.text);
  await make("Configuring the kernel", () => undefined, `KCONFIG_ALLCONFIG=${fragment}`, "allnoconfig");
  await requireOptions(files, join(output, ".config"), recipe);

  let count = 0;
  const show = (line: string): void => {
    const [, name] = compiled.exec(line) ?? [];
    if (name !== undefined) onProgress(`${String(++count)} files: ${name}`);
  };
  await make("Compiling the kernel", show, `-j${platform.host.cpuCount}`, machines[architecture].target);
  const release = await text(files, join(output, "include/config/kernel.release"));
  const places = { ...machines[architecture].images, ...lists };
  return {
    release: release.trim(),
    files: Object.fromEntries(Object.entries(places).map(([name, path]) => [name, join(output, path)])),
  };
}

function machineArguments({ architecture, tools }: Compilation): string[] {
  const { arch } = machines[architecture];
  return [`ARCH=${arch}`, ...(tools.crossPrefix === "" ? [] : [`CROSS_COMPILE=${tools.crossPrefix}`])];
}

/** Only what a program needs to be found: a person's CFLAGS, ARCH or MAKEFLAGS would reach the kernel. */
function baseEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { PATH = "/usr/bin:/bin", TMPDIR } = environment;
  return { PATH, LC_ALL: "C", TZ: "UTC", ...(TMPDIR === undefined ? {} : { TMPDIR }) };
}

/** Who, where and when, as the kernel says it of itself (Documentation/kbuild/reproducible-builds.rst). */
function buildIdentity(packedSeconds: number): Record<string, string> {
  return {
    KBUILD_BUILD_USER: "kelpie",
    KBUILD_BUILD_HOST: "kelpie",
    KBUILD_BUILD_VERSION: "1",
    KBUILD_BUILD_TIMESTAMP: new Date(packedSeconds * 1000).toUTCString(),
    SOURCE_DATE_EPOCH: String(packedSeconds),
  };
}

async function writeText(files: Pick<Files, "open">, path: string, content: string): Promise<void> {
  await using handle = await files.open(path, "create");
  await handle.write(new TextEncoder().encode(content), 0);
}

async function requireOptions(
  files: Pick<Files, "readFile">,
  path: string,
  recipe: KernelRecipe,
): Promise<void> {
  const unmet = unmetOptions(recipe.options, parseKernelConfig(await text(files, path), path));
  if (unmet.length === 0) return;
  throw new KelpieError("invalid-input", "The kernel's configuration leaves out what was asked for", {
    expected: unmet.map(({ name, wanted }) => optionText(name, wanted)).join(", "),
    found: unmet.map(({ name, found }) => optionText(name, found)).join(", "),
    help: "An option that depends on another needs that one too; one that this kernel does not know must go.",
  });
}

async function text(files: Pick<Files, "readFile">, path: string): Promise<string> {
  return new TextDecoder().decode(await files.readFile(path, maxConfigBytes));
}
