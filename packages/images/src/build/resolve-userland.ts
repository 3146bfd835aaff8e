// Which packages, or which base, the userland of an image is made of, and how they are fetched.

import type { FileTree } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import {
  type AlpineArchive,
  type AlpineRepository,
  readAlpineBase,
  type ResolvedPackage,
} from "@kelpie/repositories";
import { baseTree } from "../rootfs/base-tarball.ts";
import type { BaseTarball } from "../spec/schema.ts";
import type { Repositories } from "./repositories.ts";
import type { ResolvedUserland } from "./resolved.ts";
import { cacheDirectory, type SourceOptions } from "./source-options.ts";
import { alpineUserland, baseUserland, debianUserland, extendedUserland } from "./userland.ts";

/** @throws KelpieError `unresolvable`, `unsupported` (a Debian base together with packages). */
export async function resolveUserland(
  options: SourceOptions,
  repositories: Repositories,
): Promise<ResolvedUserland> {
  const { spec, lock, signal, timestampSeconds } = options;
  const { base, distribution, packages: world, assume } = spec;
  if (base !== undefined) {
    return world.length === 0 ? baseOnly(options, base) : await baseAndPackages(options, base, repositories);
  }
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
      refuseAssumed(spec);
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

function openBase(
  options: SourceOptions,
  base: BaseTarball,
  onProgress?: (text: string) => void,
): Promise<FileTree> {
  const { platform, offline, signal } = options;
  const progress = onProgress === undefined ? {} : { onProgress };
  return baseTree({ platform, cacheDirectory: cacheDirectory(options), base, offline, ...progress, signal });
}

function baseOnly(options: SourceOptions, base: BaseTarball): ResolvedUserland {
  return {
    packages: [],
    fetch: async (note) => baseUserland(await openBase(options, base, note), options.spec),
  };
}

/** The base's own packages are the world to begin with: only what is added to it, or put in its place, is fetched. */
async function baseAndPackages(
  options: SourceOptions,
  base: BaseTarball,
  repositories: Repositories,
): Promise<ResolvedUserland> {
  const { spec, lock, signal, timestampSeconds } = options;
  if (spec.distribution !== "alpine") {
    throw new KelpieError("unsupported", "Packages can be added to an Alpine base only", {
      found: `a base and packages of ${spec.distribution}`,
      help: "Take the base's packages from its repositories instead: list them under `packages`, without `base`.",
    });
  }
  refuseAssumed(spec);
  const repository = await repositories.alpine();
  const resolveOver = async (): Promise<readonly ResolvedPackage[]> => {
    const { packages, world } = await readAlpineBase(await openBase(options, base), base.tarball);
    return repository.resolve([...world, ...spec.packages], packages).packages;
  };
  const packages = lock?.packages ?? (await resolveOver());
  return {
    packages,
    fetch: async (note) => {
      const archives = await fetchEach(repository, packages, note, signal);
      return extendedUserland(await openBase(options, base, note), archives, spec, timestampSeconds);
    },
  };
}

function refuseAssumed({ assume }: Pick<SourceOptions["spec"], "assume">): void {
  if (assume.length === 0) return;
  throw new KelpieError("unsupported", "Alpine's packages cannot be assumed to be there", {
    found: `assume: ${assume.join(", ")}`,
  });
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
