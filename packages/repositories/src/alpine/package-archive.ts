// Reads a package: three parts, each of one or more gzip members. The signature is over the control part, the index states
// the control part's checksum, the control part states the data part's, and each file states its own: all are verified.

import { createHash } from "node:crypto";
import { collect, fileSource, type GzipMember, gzipMembers, readTar } from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import { DataCache } from "./data-cache.ts";
import type { DataEntry } from "./package-data.ts";
import { maxPackageInfoBytes, type PackageInfo, parsePackageInfo } from "./package-info.ts";
import type { ApkRecord } from "./record.ts";
import { readSignatures, SignatureCheck, type TrustedKeys } from "./signature.ts";

/** What a package holds, verified. Contents of files are read from the data archive in the cache. */
export interface ApkContents {
  readonly info: PackageInfo;
  /** By their name in the archive, in its order: ".pre-install". */
  readonly scripts: ReadonlyMap<string, string>;
  readonly entries: readonly DataEntry[];
  /** The trusted key by which the package verified. */
  readonly keyName: string;
}

/** What is known of a package before it is read; the checksum is what binds its content. */
export type ExpectedPackage = Pick<ApkRecord, "name" | "version" | "checksum" | "sizeBytes">;

export interface ReadPackageOptions {
  /** The .apk, of which the size is known to be right. */
  readonly path: string;
  /** Which package it must be, by a verified index or a lock. */
  readonly expected: ExpectedPackage;
  readonly keys: TrustedKeys;
  /** Where uncompressed data archives are kept, named by the digest that the package states for them. */
  readonly dataDirectory: string;
  readonly signal?: AbortSignal | undefined;
}

type PackagePlatform = Pick<Platform, "files" | "host" | "random">;

const maxScriptBytes = 1 << 20;
const maxControlBytes = 16 << 20;
/** How much larger than the package its content may be: a bound for what meets the disk before it is verified. */
const maxDataRatio = 100;
const dataSlackBytes = 64 << 20;
const scriptNames: ReadonlySet<string> = new Set(
  ["install", "upgrade", "deinstall"].flatMap((step) => [`.pre-${step}`, `.post-${step}`]).concat(".trigger"),
);

/**
 * Reads and verifies the package at `path`.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `signature-invalid`, `untrusted-key`, `digest-mismatch`, `unsafe-path`.
 */
export async function readPackage(
  platform: PackagePlatform,
  options: ReadPackageOptions,
): Promise<ApkContents> {
  const { path, expected, keys, signal } = options;
  const where = `${expected.name}-${expected.version}.apk`;
  const source = fileSource(platform.files, path, 0, expected.sizeBytes).open(signal);
  const controlHash = createHash("sha1");
  const dataHash = createHash("sha256");
  let check = new SignatureCheck([], keys);
  const onCompressed = (index: number, bytes: Uint8Array): void => {
    if (index === 1) {
      controlHash.update(bytes);
      check.update(bytes);
    } else if (index > 1) dataHash.update(bytes);
  };
  const maxOutputBytes = dataSlackBytes + maxDataRatio * expected.sizeBytes;
  const members = gzipMembers(source, { maxOutputBytes, onCompressed, where });
  try {
    const first = await nextMember(members, "a signature", where);
    check = new SignatureCheck(await readSignatures(first.content, where), keys);
    const control = await readControl(await nextMember(members, "a control part", where), expected, where);
    // Only when the next member is asked for is the last one whole.
    const third = await members.next();
    const keyName = check.finish(where);
    const checksum = `Q1${controlHash.digest("base64")}`;
    if (checksum !== expected.checksum) throw mismatch("control part", expected.checksum, checksum, where);
    checkIdentity(control.info.record, expected, where);
    if (third.done === true) {
      if (control.info.dataHash !== undefined)
        throw mismatch("data", control.info.dataHash, "no data", where);
      return { ...control, entries: [], keyName };
    }
    const data = new DataCache(platform, options.dataDirectory, control.info.dataHash, where, signal);
    const kept = await data.read();
    if (kept !== undefined) return { ...control, entries: kept, keyName };
    async function* content(): AsyncGenerator<Uint8Array> {
      yield* third.value?.content ?? [];
      for await (const member of members) yield* member.content;
    }
    const entries = await data.write(content(), () => dataHash.digest("hex"));
    return { ...control, entries, keyName };
  } finally {
    // However this ends, the archive is closed.
    await members.return();
  }
}

async function nextMember(
  members: AsyncIterator<GzipMember>,
  what: string,
  where: string,
): Promise<GzipMember> {
  const next = await members.next();
  if (next.done !== true) return next.value;
  throw new KelpieError("malformed", "A package ends too soon", { expected: what, found: "nothing", where });
}

async function readControl(
  member: GzipMember,
  expected: ExpectedPackage,
  where: string,
): Promise<{ info: PackageInfo; scripts: ReadonlyMap<string, string> }> {
  const scripts = new Map<string, string>();
  let info: PackageInfo | undefined;
  const limits = { maxEntries: 64, maxEntryBytes: maxControlBytes, maxHeaderBytes: 1 << 20 };
  for await (const entry of readTar(member.content, { limits, duplicates: "refuse", where })) {
    if (entry.path === ".PKGINFO") {
      const bytes = await collect(entry.content, maxPackageInfoBytes, "A package's .PKGINFO");
      info = parsePackageInfo(new TextDecoder().decode(bytes), expected, where);
    } else if (scriptNames.has(entry.path) && entry.kind === "file") {
      const bytes = await collect(entry.content, maxScriptBytes, "A package's script");
      scripts.set(entry.path, new TextDecoder().decode(bytes));
    }
  }
  if (info !== undefined) return { info, scripts };
  throw new KelpieError("malformed", "A package does not say what it is", {
    expected: "an entry .PKGINFO",
    where,
  });
}

function checkIdentity(stated: ExpectedPackage, expected: ExpectedPackage, where: string): void {
  const title = ({ name, version }: ExpectedPackage): string => `${name}-${version}`;
  if (title(stated) !== title(expected)) throw mismatch("name", title(expected), title(stated), where);
}

function mismatch(what: string, expected: string, found: string, where: string): KelpieError {
  return new KelpieError("digest-mismatch", `A package's ${what} is not what was promised`, {
    expected,
    found,
    where,
  });
}
