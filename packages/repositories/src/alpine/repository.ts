// Alpine repositories as the builder sees them: verified indexes, one resolver over them, and packages into the cache.

import { join } from "node:path";
import { type Architecture, KelpieError } from "@kelpie/platform";
import { downloadVerified } from "../download.ts";
import type { DownloadPlatform, HttpTimeouts, RetryPolicy } from "../http-get.ts";
import type { PackageRepository, Resolution, ResolvedPackage } from "../package.ts";
import type { AlpineArchive } from "./archive.ts";
import { fetchIndex } from "./index-cache.ts";
import type { InstalledPackage } from "./installed.ts";
import { type ApkContents, readPackage } from "./package-archive.ts";
import type { ApkRecord } from "./record.ts";
import { Resolver, type TaggedIndex } from "./resolve.ts";
import { readTrustedKeys, type TrustedKeys } from "./signature.ts";

/** One repository of a release: "https://…/alpine/v3.19/main". A world asks for packages of a tagged one by `name@tag`. */
export interface AlpineSource {
  readonly url: string;
  readonly tag?: string;
}

export interface AlpineOptions {
  readonly platform: DownloadPlatform;
  /** `alpine/` below it is ours. */
  readonly cacheDirectory: string;
  /** In order of preference: where two have the same version, the first one's is taken. */
  readonly repositories: readonly AlpineSource[];
  readonly architecture: Architecture;
  /** Public keys in PEM form by the name of their file. One that is not here is not trusted. */
  readonly keys: ReadonlyMap<string, string>;
  /** Takes everything from the cache. Default false. */
  readonly offline?: boolean;
  /** How long an index is used without asking the mirror. Default one hour. */
  readonly maxIndexAgeMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly timeouts?: Partial<HttpTimeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  readonly onProgress?: ((chosen: ResolvedPackage, receivedBytes: number) => void) | undefined;
}

export interface AlpineRepository extends PackageRepository {
  readonly ecosystem: "alpine";
  /**
   * The packages that make `world` hold. Where packages are installed already, only what has to come beside them or in
   * their place: they stay as they are where the world lets them, and come in newer versions where it does not.
   *
   * @throws KelpieError `unresolvable`, `invalid-input`.
   */
  resolve(world: readonly string[], installed?: readonly Pick<InstalledPackage, "record">[]): Resolution;
  /** Needs no index: what a lock records is enough. */
  fetch(chosen: ResolvedPackage, signal?: AbortSignal): Promise<AlpineArchive>;
  /** What the repositories say that they are, in their order, with the keys by which their indexes verified. */
  readonly indexes: readonly {
    readonly url: string;
    readonly description: string;
    readonly keyName: string;
  }[];
}

/** Alpine's own names. */
export const alpineMachines: Readonly<Record<Architecture, string>> = { amd64: "x86_64", arm64: "aarch64" };

const digestPrefix = "apk-c:";
const defaultIndexAgeMs = 60 * 60 * 1000;
/** Above the size of any package of Alpine. */
const maxPackageBytes = 4 * 1024 ** 3;

/**
 * Opens repositories: their indexes are downloaded, or taken from the cache, and verified.
 *
 * @throws KelpieError `invalid-input` for a bad URL or key, `unreachable`, `timeout`, `not-found`, `signature-invalid`,
 * `untrusted-key`, `malformed`, `limit-exceeded`.
 */
export async function openAlpineRepositories(options: AlpineOptions): Promise<AlpineRepository> {
  const { platform, repositories, architecture, signal, timeouts, retry } = options;
  const keys = readTrustedKeys(options.keys);
  const machine = alpineMachines[architecture];
  const bases = repositories.map(({ url }) => `${checkedUrl(url)}/${machine}`);
  const indexes = await together(bases, signal, (base, both) =>
    fetchIndex(platform, {
      url: `${base}/APKINDEX.tar.gz`,
      keys,
      directory: join(options.cacheDirectory, "alpine/indexes"),
      maxAgeMs: options.maxIndexAgeMs ?? defaultIndexAgeMs,
      offline: options.offline ?? false,
      signal: both,
      timeouts,
      retry,
    }),
  );
  const tagged = indexes.map(({ records }, number): TaggedIndex => {
    const fitting = records.filter(
      ({ architecture: its }) => its === machine || its === "noarch" || its === "",
    );
    return { tag: repositories[number]?.tag, records: fitting };
  });
  const resolver = new Resolver(tagged);
  return {
    ecosystem: "alpine",
    architecture,
    indexes: indexes.map(({ description, keyName }, number) => ({
      url: bases[number] ?? "",
      description,
      keyName,
    })),
    resolve: (world, installed = []) =>
      installed.length === 0
        ? describe(resolver, world, bases, architecture)
        : resolveOver(tagged, world, installed, (over, all) => describe(over, all, bases, architecture)),
    fetch: (chosen, fetchSignal) => fetchAlpinePackage({ ...options, keys }, chosen, fetchSignal ?? signal),
  };
}

function resolveOver(
  indexes: readonly TaggedIndex[],
  world: readonly string[],
  installed: readonly Pick<InstalledPackage, "record">[],
  resolve: (resolver: Resolver, world: readonly string[]) => Resolution,
): Resolution {
  const records = installed.map(({ record }) => record);
  const resolver = new Resolver([...indexes, { records }]);
  const found = (names: readonly string[]): Resolution => {
    const { packages, reasons } = resolve(resolver, [...world, ...names]);
    const present = new Set(records.map(({ checksum }) => `${digestPrefix}${checksum}`));
    return { packages: packages.filter(({ digest }) => !present.has(digest)), reasons };
  };
  try {
    return found(records.map(({ name, checksum }) => `${name}><${checksum}`));
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "unresolvable") throw error;
    return found(records.map(({ name }) => name));
  }
}

/** Does `work` for all items at once. The first failure ends the rest, and is thrown when nothing is under way any more. */
async function together<T, R>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failure = new AbortController();
  const both = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const all = items.map(async (item) => {
    try {
      return await work(item, both);
    } catch (error) {
      failure.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(all);
  if (failure.signal.aborted) throw failure.signal.reason;
  return await Promise.all(all);
}

function describe(
  resolver: Resolver,
  world: readonly string[],
  bases: readonly string[],
  architecture: Architecture,
): Resolution {
  const chosen = resolver.resolve(world);
  const packages = chosen.map(({ record, repositories: [first = 0] }): ResolvedPackage => {
    const { name, version, sizeBytes, origin, license } = record;
    return {
      ecosystem: "alpine",
      name,
      version,
      architecture,
      location: `${bases[first] ?? ""}/${encodeURIComponent(`${name}-${version}`)}.apk`,
      sizeBytes,
      digest: `${digestPrefix}${record.checksum}`,
      ...(origin === "" ? {} : { source: origin }),
      ...(license === "" ? {} : { license }),
    };
  });
  return { packages, reasons: new Map(chosen.map(({ record, reason }) => [record.name, reason])) };
}

/** What fetching one package takes of the options; keys already read. */
type FetchOptions = Omit<AlpineOptions, "keys" | "repositories" | "signal"> & { readonly keys: TrustedKeys };

async function fetchAlpinePackage(
  options: FetchOptions,
  chosen: ResolvedPackage,
  signal: AbortSignal | undefined,
): Promise<AlpineArchive> {
  const { platform, keys, onProgress, timeouts, retry, offline = false } = options;
  const directory = join(options.cacheDirectory, "alpine");
  const expected = expectedOf(chosen);
  let contents: ApkContents | undefined;
  await downloadVerified(platform, {
    url: chosen.location,
    sizeBytes: chosen.sizeBytes,
    maxBytes: maxPackageBytes,
    cachePath: join(options.cacheDirectory, alpineArchivePath(chosen)),
    verify: async (path) => {
      const dataDirectory = join(directory, "data");
      contents = await readPackage(platform, { path, expected, keys, dataDirectory, signal });
    },
    onProgress: (receivedBytes) => onProgress?.(chosen, receivedBytes),
    signal,
    timeouts,
    retry,
    offline,
  });
  if (contents === undefined) throw new KelpieError("internal", "A package was kept without being read");
  const { info, scripts, entries, keyName } = contents;
  const files = entries.filter(({ node }) => node.kind === "file").map(({ path }) => path);
  return {
    package: chosen,
    record: info.record,
    info,
    scripts,
    entries,
    keyName,
    configurationFiles: files.filter(isConfiguration),
  };
}

/** Where a package's archive is kept, from the cache's directory. @throws KelpieError `invalid-input`. */
export function alpineArchivePath(chosen: ResolvedPackage): string {
  const hex = Buffer.from(expectedOf(chosen).checksum.slice(2), "base64").toString("hex");
  return `alpine/packages/${hex}.apk`;
}

/** As apk's own list of protected paths has it: /etc, without what only programs write there. */
function isConfiguration(path: string): boolean {
  return path.startsWith("etc/") && !path.startsWith("etc/init.d/") && !path.startsWith("etc/apk/");
}

function expectedOf(chosen: ResolvedPackage): Pick<ApkRecord, "name" | "version" | "checksum" | "sizeBytes"> {
  const { name, version, sizeBytes, digest, ecosystem } = chosen;
  const checksum = digest.slice(digestPrefix.length);
  if (ecosystem === "alpine" && digest.startsWith(digestPrefix) && /^Q1[A-Za-z0-9+/]{27}=$/.test(checksum))
    return { name, version, sizeBytes, checksum };
  throw new KelpieError("invalid-input", "A package is not one of an Alpine repository", {
    expected: `a digest ${digestPrefix}Q1…`,
    found: digest,
    where: `${name}-${version}`,
  });
}

function checkedUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed !== null && (parsed.protocol === "https:" || parsed.protocol === "http:"))
    return url.replace(/\/+$/, "");
  throw new KelpieError("invalid-input", "A repository's address cannot be used", {
    expected: "an http or https URL",
    found: url,
  });
}
