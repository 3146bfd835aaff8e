// Opens what a spec names, chooses packages and fetches them: everything of a build that may reach the network.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import { KelpieError } from "@kelpie/platform";
import type { AlpineRepository, DebianRepository, ResolvedPackage } from "@kelpie/repositories";
import type { GuestKernel } from "../kernel/guest-kernel.ts";
import { kernelFromFiles, readGuestKernel } from "../kernel/read-guest-kernel.ts";
import { hostKernelEntries, hostKernelFiles } from "./host-kernel.ts";
import type { KernelPlan } from "../plan/image-plan.ts";
import { baseTree } from "../rootfs/base-tarball.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import { openAlpine } from "./alpine.ts";
import type { BuildServices } from "./services.ts";
import { alpineUserland, baseUserland, debianUserland, type Userland } from "./userland.ts";

export interface SourceOptions {
  readonly platform: Platform;
  readonly home: string;
  readonly spec: ImageSpec;
  readonly services: BuildServices;
  /** SOURCE_DATE_EPOCH. */
  readonly timestampSeconds: number;
  readonly offline: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A spec's sources, resolved: what a plan says of them, and the way to the bytes. */
export interface Sources {
  readonly packages: readonly ResolvedPackage[];
  readonly kernel: KernelPlan;
  /** Downloads and verifies the userland, or takes it from the cache. */
  fetchUserland(note: (text: string) => void): Promise<Userland>;
  /** The same for the kernel. */
  fetchKernel(note: (text: string) => void): Promise<GuestKernel>;
}

/** @throws KelpieError `unreachable`, `unresolvable`, `signature-invalid`, `untrusted-key`, `invalid-input`. */
export async function openSources(options: SourceOptions, note: (text: string) => void): Promise<Sources> {
  const repositories = new Repositories(options, note);
  const userland = await resolveUserland(options, repositories);
  const kernel = await resolveKernel(options, repositories);
  return {
    packages: userland.packages,
    kernel: kernel.plan,
    fetchUserland: userland.fetch,
    fetchKernel: kernel.fetch,
  };
}

interface ResolvedUserland {
  readonly packages: readonly ResolvedPackage[];
  readonly fetch: Sources["fetchUserland"];
}

async function resolveUserland(
  options: SourceOptions,
  repositories: Repositories,
): Promise<ResolvedUserland> {
  const { spec, signal } = options;
  const { base, distribution, packages: world, assume } = spec;
  if (base !== undefined) {
    if (world.length > 0) {
      throw new KelpieError("unsupported", "A base tarball cannot be mixed with packages", {
        expected: "a spec with `base` or with `packages`",
        help: "Take the base's packages from its repositories instead: list them under `packages`, without `base`.",
      });
    }
    return {
      packages: [],
      fetch: async (note) =>
        baseUserland(
          await baseTree({
            platform: options.platform,
            cacheDirectory: cacheDirectory(options),
            base,
            offline: options.offline,
            onProgress: note,
            signal,
          }),
        ),
    };
  }
  switch (distribution) {
    case "debian": {
      const repository = await repositories.debian();
      const { packages } = repository.resolve(world, { assume });
      return {
        packages,
        fetch: async () => debianUserland(await repository.fetchAll(packages, signal), spec),
      };
    }
    case "alpine": {
      const repository = await repositories.alpine();
      const { packages } = repository.resolve(world);
      return {
        packages,
        fetch: async (note) => {
          const archives = [];
          for (const chosen of packages) {
            note(chosen.name);
            archives.push(await repository.fetch(chosen, signal));
          }
          return alpineUserland(archives, spec, options.timestampSeconds);
        },
      };
    }
    default:
      return distribution satisfies never;
  }
}

interface ResolvedKernel {
  readonly plan: KernelPlan;
  readonly fetch: Sources["fetchKernel"];
}

async function resolveKernel(options: SourceOptions, repositories: Repositories): Promise<ResolvedKernel> {
  const { kernel, architecture } = options.spec;
  switch (kernel.source) {
    case "debian": {
      const repository = await repositories.debian();
      const chosen = debianKernel(repository, kernel.package);
      return {
        plan: { source: "debian", package: chosen },
        fetch: async () => readGuestKernel(await repository.fetch(chosen, options.signal), options.signal),
      };
    }
    case "alpine": {
      const repository = await repositories.alpine();
      const chosen = named(repository.resolve([kernel.package]).packages, kernel.package);
      return {
        plan: { source: "alpine", package: chosen },
        fetch: async () => readGuestKernel(await repository.fetch(chosen, options.signal), options.signal),
      };
    }
    case "path": {
      const { files } = options.platform;
      return {
        plan: { source: "path", files: await hostKernelFiles(files, kernel) },
        fetch: async () => {
          const entries = await hostKernelEntries(files, kernel);
          return kernelFromFiles({ architecture, entries, where: kernel.image }, options.signal);
        },
      };
    }
    default:
      return kernel satisfies never;
  }
}

function named(packages: readonly ResolvedPackage[], name: string): ResolvedPackage {
  const found = packages.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new KelpieError("not-found", "The kernel's package has another name", {
    expected: name,
    found: packages.map((each) => each.name).join(", "),
  });
}

/** Of a metapackage, the kernel that it depends on; a package that carries a kernel is that kernel. */
function debianKernel(repository: DebianRepository, name: string): ResolvedPackage {
  const { packages } = repository.resolve([name]);
  const image = packages.find((each) => /^linux-image-\d/.test(each.name) && !each.name.endsWith("-dbg"));
  if (image !== undefined) return image;
  throw new KelpieError("not-found", "No kernel is among the packages that this one asks for", {
    expected: "a linux-image-… package",
    found: packages.map((each) => each.name).join(", "),
    where: name,
  });
}

/** The repositories of a spec, each opened when it is first asked for. */
class Repositories {
  readonly #options: SourceOptions;
  readonly #note: (text: string) => void;
  #alpine: Promise<AlpineRepository> | undefined;
  #debian: Promise<DebianRepository> | undefined;

  constructor(options: SourceOptions, note: (text: string) => void) {
    this.#options = options;
    this.#note = note;
  }

  alpine(): Promise<AlpineRepository> {
    this.#alpine ??= openAlpine(this.#options, this.#note);
    return this.#alpine;
  }

  debian(): Promise<DebianRepository> {
    this.#debian ??= this.#openDebian();
    return this.#debian;
  }

  #openDebian(): Promise<DebianRepository> {
    const { platform, spec, services, offline, signal } = this.#options;
    const { debian } = spec.repositories;
    if (debian === undefined) throw missing("debian", "{release: bookworm}");
    return services.openDebian({
      platform,
      cacheDirectory: cacheDirectory(this.#options),
      architecture: spec.architecture,
      ...debian,
      ...(spec.keys.debian.length === 0 ? {} : { keyrings: spec.keys.debian }),
      offline,
      report: this.#note,
      signal,
    });
  }
}

function missing(distribution: string, example: string): KelpieError {
  return new KelpieError("invalid-input", `The spec names no ${distribution} repository`, {
    help: `Add \`repositories: {${distribution}: ${example}}\`.`,
  });
}

function cacheDirectory({ home }: Pick<SourceOptions, "home">): string {
  return join(home, "cache");
}
