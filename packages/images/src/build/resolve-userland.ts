// Which packages, or which base, the userland of an image is made of, and how they are fetched.

import { KelpieError } from "@kelpie/platform";
import type { AlpineArchive, AlpineRepository, ResolvedPackage } from "@kelpie/repositories";
import { baseTree } from "../rootfs/base-tarball.ts";
import type { BaseTarball } from "../spec/schema.ts";
import type { Repositories } from "./repositories.ts";
import { cacheDirectory, type SourceOptions, type Sources } from "./sources.ts";
import { alpineUserland, baseUserland, debianUserland } from "./userland.ts";

export interface ResolvedUserland {
  readonly packages: readonly ResolvedPackage[];
  readonly fetch: Sources["fetchUserland"];
}

/** @throws KelpieError `unresolvable`, `unsupported` (a base together with packages). */
export async function resolveUserland(
  options: SourceOptions,
  repositories: Repositories,
): Promise<ResolvedUserland> {
  const { spec, lock, signal, timestampSeconds } = options;
  const { base, distribution, packages: world, assume } = spec;
  if (base !== undefined) return baseOnly(options, base);
  switch (distribution) {
    case "debian": {
      const repository = await repositories.debian();
      const packages = lock?.packages ?? repository.resolve(world, { assume }).packages;
      return {
        packages,
        fetch: async () => debianUserland(await repository.fetchAll(packages, signal), spec),
      };
    }
    case "alpine": {
      if (assume.length > 0) {
        throw new KelpieError("unsupported", "Alpine's packages cannot be assumed to be there", {
          found: `assume: ${assume.join(", ")}`,
        });
      }
      const repository = await repositories.alpine();
      const packages = lock?.packages ?? repository.resolve(world).packages;
      return {
        packages,
        fetch: async (note) =>
          alpineUserland(await fetchEach(repository, packages, note, signal), spec, timestampSeconds),
      };
    }
    default:
      return distribution satisfies never;
  }
}

function baseOnly(options: SourceOptions, base: BaseTarball): ResolvedUserland {
  const { platform, spec, offline, signal } = options;
  if (spec.packages.length > 0) {
    throw new KelpieError("unsupported", "A base tarball cannot be mixed with packages", {
      expected: "a spec with `base` or with `packages`",
      help: "Take the base's packages from its repositories instead: list them under `packages`, without `base`.",
    });
  }
  return {
    packages: [],
    fetch: async (onProgress) =>
      baseUserland(
        await baseTree({
          platform,
          cacheDirectory: cacheDirectory(options),
          base,
          offline,
          onProgress,
          signal,
        }),
        spec,
      ),
  };
}

async function fetchEach(
  repository: AlpineRepository,
  packages: readonly ResolvedPackage[],
  note: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<readonly AlpineArchive[]> {
  const archives: AlpineArchive[] = [];
  for (const chosen of packages) {
    note(chosen.name);
    archives.push(await repository.fetch(chosen, signal));
  }
  return archives;
}
