// A spec from its file to the value that a build takes.

import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { type Architecture, architectures, KelpieError, type Platform } from "@kelpie/platform";
import type { ImageSpec, KernelSource } from "./image-spec.ts";
import { mergeSpecs } from "./merge.ts";
import { maxSpecBytes, parseSpec } from "./parse-spec.ts";
import {
  type BaseTarball,
  type FileSpec,
  type KernelSpec,
  parseByteSize,
  type PerArchitecture,
  type SpecFile,
} from "./schema.ts";

const maxExtends = 8;

/** What a command line may put in a spec's place. */
export interface SpecOverrides {
  /** A local copy of the base tarball; its digest must still be the spec's. */
  readonly baseTarball?: string;
}

/**
 * Reads a spec and all that it extends.
 *
 * @throws KelpieError `invalid-input` with file, line and column; `not-found`.
 */
export async function loadSpec(
  { files }: Pick<Platform, "files">,
  path: string,
  architecture: Architecture,
  overrides: SpecOverrides = {},
): Promise<ImageSpec> {
  const spec = complete(await readSpec(files, resolve(path), []), path, architecture);
  const { baseTarball } = overrides;
  if (baseTarball === undefined) return spec;
  if (spec.base === undefined) {
    throw new KelpieError("usage", "This spec has no base tarball to be replaced", { where: path });
  }
  return { ...spec, base: { ...spec.base, tarball: resolve(baseTarball) } };
}

async function readSpec(files: Platform["files"], path: string, chain: readonly string[]): Promise<SpecFile> {
  if (chain.includes(path) || chain.length >= maxExtends) {
    throw new KelpieError("invalid-input", "A spec's `extends` does not end", {
      expected: `at most ${maxExtends} specs, none twice`,
      found: [...chain, path].map((each) => basename(each)).join(" → "),
    });
  }
  const bytes = await files.readFile(path, maxSpecBytes);
  const spec = withAbsolutePaths(parseSpec(decodeText(bytes, path), path), dirname(path));
  if (spec.extends === undefined) return spec;
  return mergeSpecs(await readSpec(files, resolve(dirname(path), spec.extends), [...chain, path]), spec);
}

function decodeText(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new KelpieError("invalid-input", "A spec must be UTF-8 text", { where, cause });
  }
}

/** Everything that names a file of the host, made absolute while it is known which spec it stands in. */
function withAbsolutePaths(spec: SpecFile, directory: string): SpecFile {
  const absolute = (path: string): string => (isAbsolute(path) || isUrl(path) ? path : join(directory, path));
  const { base, keys, kernel, files, overlays, init } = spec;
  return {
    ...spec,
    ...(base === undefined
      ? {}
      : { base: perArchitecture(base, (each) => ({ ...each, tarball: absolute(each.tarball) })) }),
    ...(keys === undefined
      ? {}
      : {
          keys: {
            ...(keys.alpine === undefined ? {} : { alpine: keys.alpine.map(absolute) }),
            ...(keys.debian === undefined ? {} : { debian: keys.debian.map(absolute) }),
          },
        }),
    ...(kernel === undefined ? {} : { kernel: withAbsoluteKernel(kernel, absolute) }),
    ...(files === undefined
      ? {}
      : {
          files: Object.fromEntries(
            Object.entries(files).map(([path, file]): [string, FileSpec] => [
              path,
              "source" in file ? { ...file, source: absolute(file.source) } : file,
            ]),
          ),
        }),
    ...(overlays === undefined ? {} : { overlays: overlays.map(absolute) }),
    ...(init?.services === undefined
      ? {}
      : {
          init: {
            ...init,
            services: init.services.map((service) =>
              "source" in service ? { ...service, source: absolute(service.source) } : service,
            ),
          },
        }),
  };
}

function isUrl(path: string): boolean {
  return /^https?:\/\//.test(path);
}

function withAbsoluteKernel(kernel: KernelSpec, absolute: (path: string) => string): KernelSpec {
  switch (kernel.source) {
    case "alpine":
    case "debian":
      return kernel;
    case "kelpie":
      return kernel.config === undefined ? kernel : { ...kernel, config: kernel.config.map(absolute) };
    case "path":
      return {
        ...kernel,
        image: perArchitecture(kernel.image, absolute),
        modules: perArchitecture(kernel.modules, absolute),
      };
    default:
      return kernel satisfies never;
  }
}

function perArchitecture<T>(value: PerArchitecture<T>, change: (each: T) => T): PerArchitecture<T> {
  return isPerArchitecture(value)
    ? { amd64: change(value.amd64), arm64: change(value.arm64) }
    : change(value);
}

function isPerArchitecture<T>(value: PerArchitecture<T>): value is { amd64: T; arm64: T } {
  return typeof value === "object" && value !== null && architectures.every((name) => name in value);
}

function choose<T>(value: PerArchitecture<T>, architecture: Architecture): T {
  return isPerArchitecture(value) ? value[architecture] : value;
}

function complete(spec: SpecFile, where: string, architecture: Architecture): ImageSpec {
  const required = <T>(value: T | undefined, key: string): T => {
    if (value !== undefined) return value;
    throw new KelpieError("invalid-input", `The spec has no \`${key}\``, {
      where,
      help: `Add \`${key}\`, or \`extends\` a spec that has it.`,
    });
  };
  const distribution = required(spec.distribution, "distribution");
  const base: BaseTarball | undefined =
    spec.base === undefined ? undefined : choose<BaseTarball>(spec.base, architecture);
  const packages = spec.packages ?? [];
  if (packages.length === 0) required(base, "packages");
  return {
    name: required(spec.name, "name"),
    description: spec.description ?? "",
    version: spec.version ?? "1.0.0",
    architecture,
    distribution,
    base: base === undefined ? undefined : { ...base, url: isUrl(base.tarball) ? base.tarball : undefined },
    repositories: {
      alpine: (spec.repositories?.alpine ?? []).map(({ url, tag }) =>
        tag === undefined ? { url } : { url, tag },
      ),
      debian: debianSource(spec),
    },
    keys: { alpine: spec.keys?.alpine ?? [], debian: spec.keys?.debian ?? [] },
    packages,
    assume: spec.assume ?? [],
    kernel: kernelSource(required(spec.kernel, "kernel"), architecture),
    files: spec.files ?? {},
    overlays: spec.overlays ?? [],
    users: spec.users ?? [],
    groups: spec.groups ?? [],
    environment: spec.environment ?? {},
    hostname: spec.hostname ?? "kelpie",
    init: { services: spec.init?.services ?? [], mounts: spec.init?.mounts ?? [] },
    sizeBytes: spec.size === undefined ? undefined : parseByteSize(spec.size),
    freeBytes: spec.free === undefined ? undefined : parseByteSize(spec.free),
    journalBytes: spec.journal === undefined ? undefined : parseByteSize(spec.journal),
    scripts: spec.scripts ?? {},
  };
}

function debianSource({ repositories }: SpecFile): ImageSpec["repositories"]["debian"] {
  const debian = repositories?.debian;
  if (debian === undefined) return undefined;
  const { release, suites, components, mirror } = debian;
  return {
    release,
    ...(suites === undefined ? {} : { suites }),
    ...(components === undefined ? {} : { components }),
    ...(mirror === undefined ? {} : { mirror }),
  };
}

function kernelSource(kernel: KernelSpec, architecture: Architecture): KernelSource {
  switch (kernel.source) {
    case "alpine":
      return { source: "alpine", package: choose(kernel.package ?? "linux-virt", architecture) };
    case "debian":
      return {
        source: "debian",
        package: choose(kernel.package ?? `linux-image-cloud-${architecture}`, architecture),
      };
    case "kelpie":
      return { source: "kelpie", config: kernel.config ?? [] };
    case "path":
      return {
        source: "path",
        image: choose(kernel.image, architecture),
        modules: choose(kernel.modules, architecture),
      };
    default:
      return kernel satisfies never;
  }
}
