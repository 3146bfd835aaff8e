// Which kernel an image boots with, and how it is fetched.

import { KelpieError } from "@kelpie/platform";
import type { DebianRepository, PackageRepository, ResolvedPackage } from "@kelpie/repositories";
import { kernelFromFiles, readGuestKernel } from "../kernel/read-guest-kernel.ts";
import { hostKernelEntries, hostKernelFiles } from "./host-kernel.ts";
import type { Repositories } from "./repositories.ts";
import { resolveKelpieKernel } from "./resolve-kelpie-kernel.ts";
import type { ResolvedKernel } from "./resolved.ts";
import type { SourceOptions } from "./source-options.ts";

/** @throws KelpieError `not-found`, `unresolvable`. */
export async function resolveKernel(
  options: SourceOptions,
  repositories: Repositories,
): Promise<ResolvedKernel> {
  const { lock, platform, signal, spec } = options;
  const { kernel, architecture } = spec;
  switch (kernel.source) {
    case "debian": {
      const repository = await repositories.debian();
      return packaged(repository, lock?.kernel ?? debianKernel(repository, kernel.package), signal);
    }
    case "alpine": {
      const repository = await repositories.alpine();
      return packaged(repository, lock?.kernel ?? alpineKernel(repository, kernel.package), signal);
    }
    case "kelpie":
      return await resolveKelpieKernel(options, repositories, kernel.config);
    case "path": {
      const { files } = platform;
      return {
        plan: { source: "path", files: await hostKernelFiles(files, kernel) },
        fetch: async () => {
          const entries = await hostKernelEntries(files, kernel);
          return kernelFromFiles({ architecture, entries, where: kernel.image }, signal);
        },
      };
    }
    default:
      return kernel satisfies never;
  }
}

function packaged(
  repository: PackageRepository,
  chosen: ResolvedPackage,
  signal: AbortSignal | undefined,
): ResolvedKernel {
  return {
    plan: { source: repository.ecosystem, package: chosen },
    fetch: async () => readGuestKernel(await repository.fetch(chosen, signal), signal),
  };
}

function alpineKernel(repository: PackageRepository, name: string): ResolvedPackage {
  const { packages } = repository.resolve([name]);
  return packages.find((each) => each.name === name) ?? noKernel(name, packages);
}

/** Of a metapackage, the kernel that it depends on; a package that carries a kernel is that kernel. */
function debianKernel(repository: DebianRepository, name: string): ResolvedPackage {
  const { packages } = repository.resolve([name]);
  const isImage = (each: ResolvedPackage): boolean =>
    /^linux-image-\d/.test(each.name) && !each.name.endsWith("-dbg");
  return packages.find(isImage) ?? noKernel(name, packages);
}

function noKernel(name: string, packages: readonly ResolvedPackage[]): never {
  throw new KelpieError("not-found", "No kernel is among the packages that this one asks for", {
    found: packages.map((each) => each.name).join(", "),
    where: name,
  });
}
