// Makes signed packages and indexes, as abuild and apk do, for mirrors of tests.

import { createHash, createSign, generateKeyPairSync } from "node:crypto";
import {
  bytesSource,
  gzipBytes,
  MemorySink,
  textSource,
  type TarSourceEntry,
  type TreeNode,
  writeTar,
} from "@kelpie/formats";
import { parseIndex } from "../index-text.ts";
import { type ApkRecord, writeRecord } from "../record.ts";

/** A key pair of a test, with the name that signatures give it. */
export interface TestKey {
  readonly name: string;
  readonly publicPem: string;
  readonly privatePem: string;
}

export function createTestKey(name = "test-0001.rsa.pub"): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    name,
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** A file of a package. */
export function file(text: string, mode = 0o644): TreeNode {
  return { kind: "file", mode, uid: 0, gid: 0, mtimeSeconds: 5, content: textSource(text) };
}

/** A package to be made. */
export interface TestPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture?: string;
  /** Further lines of .PKGINFO: ["depend", "so:libc.so"]. */
  readonly info?: readonly (readonly [key: string, value: string])[];
  readonly scripts?: Readonly<Record<string, string>>;
  readonly files?: readonly { readonly path: string; readonly node: TreeNode }[];
  /** Default the size of the files, and 1 where that is nothing: apk does not unpack a package that installs nothing. */
  readonly installedBytes?: number;
}

export interface MadePackage {
  readonly bytes: Uint8Array;
  readonly record: ApkRecord;
}

export interface MakeOptions {
  readonly key: TestKey;
  readonly algorithm?: "RSA" | "RSA256";
  /** Puts something wrong into the package. */
  readonly spoil?: {
    readonly fileChecksum?: string;
    readonly dataHash?: string;
    readonly signature?: Uint8Array;
  };
}

/** Makes the .apk and the record by which an index knows it. */
export async function makePackage(source: TestPackage, options: MakeOptions): Promise<MadePackage> {
  const { name, version, architecture = "x86_64", info = [], scripts = {}, files = [] } = source;
  const { spoil = {} } = options;
  const entries = await Promise.all(files.map((file) => withChecksum(file, spoil.fileChecksum)));
  const data = gzipBytes(await tar(entries, true));
  const contentBytes = files.reduce(
    (sum, { node }) => sum + (node.kind === "file" ? node.content.sizeBytes : 0),
    0,
  );
  const { installedBytes = Math.max(1, contentBytes) } = source;
  const lines = [
    "# Made by a test",
    `pkgname = ${name}`,
    `pkgver = ${version}`,
    `pkgdesc = The ${name} of a test`,
    "url = https://example.org",
    "builddate = 1700000000",
    `size = ${installedBytes}`,
    `arch = ${architecture}`,
    "license = MIT",
    ...info.map(([key, value]) => `${key} = ${value}`),
    `datahash = ${spoil.dataHash ?? createHash("sha256").update(data).digest("hex")}`,
    "",
  ];
  const controlEntries = [
    textEntry(".PKGINFO", lines.join("\n"), 0o644),
    ...Object.entries(scripts).map(([script, text]) => textEntry(script, text, 0o755)),
  ];
  const control = gzipBytes(await tar(controlEntries, false));
  const bytes = Buffer.concat([await signature(control, options), control, data]);
  const checksum = `Q1${createHash("sha1").update(control).digest("base64")}`;
  const [record] = parseIndex(`${indexLines(source, checksum, bytes.length, installedBytes)}\n`, name);
  if (record === undefined) throw new TypeError("a test package without a record");
  return { bytes, record };
}

/** Makes APKINDEX.tar.gz of records. */
export async function makeIndex(records: readonly ApkRecord[], options: MakeOptions): Promise<Uint8Array> {
  const text = records.map((record) => `${writeRecord(record)}\n`).join("");
  const entries = [textEntry("DESCRIPTION", "a test's mirror", 0o644), textEntry("APKINDEX", text, 0o644)];
  const content = gzipBytes(await tar(entries, true));
  return Buffer.concat([await signature(content, options), content]);
}

function indexLines(
  source: TestPackage,
  checksum: string,
  sizeBytes: number,
  installedBytes: number,
): string {
  const { name, version, architecture = "x86_64", info = [] } = source;
  const all = (...keys: string[]): string[] =>
    info.filter(([key]) => keys.includes(key)).map(([, value]) => value);
  const optional = (letter: string, values: readonly string[]): string[] =>
    values.length === 0 ? [] : [`${letter}:${values.join(" ")}`];
  const lines = [
    `C:${checksum}`,
    `P:${name}`,
    `V:${version}`,
    `A:${architecture}`,
    `S:${sizeBytes}`,
    `I:${installedBytes}`,
    `T:The ${name} of a test`,
    "U:https://example.org",
    "L:MIT",
    ...optional("o", all("origin")),
    "t:1700000000",
    ...optional("k", all("provider_priority")),
    ...optional("D", all("depend")),
    ...optional("p", all("provides")),
    ...optional("i", all("install_if")),
  ];
  return `${lines.join("\n")}\n`;
}

async function withChecksum(
  { path, node }: { readonly path: string; readonly node: TreeNode },
  spoiled: string | undefined,
): Promise<TarSourceEntry> {
  const hash = createHash("sha1");
  if (node.kind === "file") for await (const chunk of node.content.open()) hash.update(chunk);
  else if (node.kind === "symlink") hash.update(node.target);
  else return { path, node };
  const checksum = spoiled ?? hash.digest("hex");
  return { path, node, paxRecords: new Map([["APK-TOOLS.checksum.SHA1", checksum]]) };
}

function textEntry(path: string, text: string, mode: number): TarSourceEntry {
  const content = bytesSource(new TextEncoder().encode(text));
  return { path, node: { kind: "file", mode, uid: 0, gid: 0, mtimeSeconds: 1_700_000_000, content } };
}

async function signature(
  content: Uint8Array,
  { key, algorithm = "RSA", spoil }: MakeOptions,
): Promise<Uint8Array> {
  const digest = algorithm === "RSA" ? "RSA-SHA1" : "RSA-SHA256";
  const bytes = spoil?.signature ?? createSign(digest).update(content).sign(key.privatePem);
  const node = {
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    content: bytesSource(bytes),
  } as const;
  return gzipBytes(await tar([{ path: `.SIGN.${algorithm}.${key.name}`, node }], false));
}

async function tar(entries: readonly TarSourceEntry[], endOfArchive: boolean): Promise<Uint8Array> {
  const sink = new MemorySink();
  const root = (): string => "root";
  await writeTar(entries, sink, { endOfArchive, userName: root, groupName: root });
  return sink.toBytes();
}
