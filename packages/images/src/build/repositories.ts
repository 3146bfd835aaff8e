// The package repositories of a spec, each opened when it is first asked for, and once.

import { basename, join } from "node:path";
import { type Files, KelpieError } from "@kelpie/platform";
import { type AlpineRepository, debianCache, type DebianRepository } from "@kelpie/repositories";
import type { DebianSource } from "../spec/image-spec.ts";
import { cacheDirectory, type SourceOptions } from "./source-options.ts";

const maxKeyBytes = 16 * 1024;
const maxKeys = 1000;

export class Repositories {
  readonly #options: SourceOptions;
  readonly #note: (text: string) => void;
  #alpine: Promise<AlpineRepository> | undefined;
  #debian: Promise<DebianRepository> | undefined;

  /** @param note takes lines for a person. */
  constructor(options: SourceOptions, note: (text: string) => void) {
    this.#options = options;
    this.#note = note;
  }

  /** @throws KelpieError `unreachable` with the mirror, the cause and the command for the other spec. */
  alpine(): Promise<AlpineRepository> {
    this.#alpine ??= openAlpine(this.#options, this.#note);
    return this.#alpine;
  }

  debian(): Promise<DebianRepository> {
    this.#debian ??= openDebian(this.#options, this.#options.spec.repositories.debian, this.#note);
    return this.#debian;
  }

  /** Debian's, with the source of Kelpie's kernel: the spec's, or for an image of another distribution the stable release. */
  kernelSource(): Promise<DebianRepository> {
    if (this.#options.spec.repositories.debian !== undefined) return this.debian();
    return openDebian(this.#options, {}, this.#note);
  }
}

/** With a lock, an index of any age will do: the packages are known. */
function indexPolicy({ lock, offline }: SourceOptions): { offline: boolean; maxIndexAgeMs?: number } {
  return lock === undefined ? { offline } : { offline, maxIndexAgeMs: Number.MAX_SAFE_INTEGER };
}

/** Whether the cache alone will do: a lock says everything that an index would. */
function needsNoIndex({ lock, offline }: SourceOptions): boolean {
  return lock !== undefined && offline;
}

async function openDebian(
  options: SourceOptions,
  debian: Partial<DebianSource> | undefined,
  report: (line: string) => void,
): Promise<DebianRepository> {
  const { platform, spec, services, signal } = options;
  if (debian === undefined) throw missing("debian", "{release: bookworm}");
  const { architecture } = spec;
  if (needsNoIndex(options))
    return debianCache({ platform, cacheDirectory: cacheDirectory(options), architecture });
  return await services.openDebian({
    platform,
    cacheDirectory: cacheDirectory(options),
    architecture,
    ...debian,
    ...(spec.keys.debian.length === 0 ? {} : { keyrings: spec.keys.debian }),
    ...indexPolicy(options),
    report,
    signal,
  });
}

async function openAlpine(options: SourceOptions, note: (text: string) => void): Promise<AlpineRepository> {
  const { platform, spec, services, signal } = options;
  const { alpine } = spec.repositories;
  if (alpine.length === 0)
    throw missing("alpine", "[{url: https://dl-cdn.alpinelinux.org/alpine/v3.19/main}]");
  const keys = await readKeys(platform.files, spec.keys.alpine);
  try {
    return await services.openAlpine({
      platform,
      cacheDirectory: cacheDirectory(options),
      repositories: needsNoIndex(options) ? [] : alpine,
      architecture: spec.architecture,
      keys,
      ...indexPolicy(options),
      signal,
      onProgress: ({ name }) => note(name),
    });
  } catch (cause) {
    if (!KelpieError.is(cause) || (cause.code !== "unreachable" && cause.code !== "timeout")) throw cause;
    throw new KelpieError("unreachable", "Alpine's mirror cannot be reached", {
      where: alpine.map(({ url }) => url).join(", "),
      found: cause.message,
      help: `Build from Debian instead: kelpie images build --spec images/kelpie-debian.yaml --arch ${spec.architecture}\nOr name another mirror under \`repositories.alpine\` of the spec.`,
      cause,
    });
  }
}

/** Public keys by the names of their files, from files and from directories of `*.pub`. */
async function readKeys(files: Files, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>();
  for (const path of paths) {
    const status = await files.stat(path);
    if (status === undefined)
      throw new KelpieError("not-found", "A repository's key is not there", { where: path });
    const found =
      status.kind === "directory"
        ? (await files.list(path)).filter((name) => name.endsWith(".pub")).map((name) => join(path, name))
        : [path];
    for (const file of found.slice(0, maxKeys)) {
      keys.set(basename(file), new TextDecoder().decode(await files.readFile(file, maxKeyBytes)));
    }
  }
  return keys;
}

function missing(distribution: string, example: string): KelpieError {
  return new KelpieError("invalid-input", `The spec names no ${distribution} repository`, {
    help: `Add \`repositories: {${distribution}: ${example}}\`.`,
  });
}
