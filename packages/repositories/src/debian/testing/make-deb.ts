// Makes small .deb files for tests, byte by byte, so that wrong ones can be made too.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { MemorySink, textSource, type TreeEntry, writeTar } from "@kelpie/formats";

/** What a member of the archive is compressed with, by its file name extension. */
export type DebCompression = "" | ".gz" | ".xz" | ".zst";

export interface DebSpec {
  readonly name: string;
  readonly version: string;
  readonly architecture?: string;
  /** Further fields of the control file. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Files by path, with their text; a path that ends in "/" is a directory, a text that begins with "-> " a symlink. */
  readonly files?: Readonly<Record<string, string>>;
  /** Further control files by name. */
  readonly control?: Readonly<Record<string, string>>;
  readonly compression?: DebCompression;
}

export interface MadeDeb {
  readonly spec: DebSpec;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  /** Of a Packages index, without Filename, Size and SHA256. */
  readonly stanza: string;
}

export function controlText({ name, version, architecture = "amd64", fields = {} }: DebSpec): string {
  const lines = { Maintainer: "Nobody <nobody@example.org>", Description: `the package ${name}`, ...fields };
  const rest = Object.entries(lines).map(([field, value]) => `${field}: ${value}\n`);
  return `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\n${rest.join("")}`;
}

export async function makeDeb(spec: DebSpec): Promise<MadeDeb> {
  const { files = {}, control = {}, compression = ".gz" } = spec;
  const bytes = makeAr([
    ["debian-binary", Buffer.from("2.0\n")],
    [
      `control.tar${compression}`,
      compress(await makeTar({ control: controlText(spec), ...control }), compression),
    ],
    [`data.tar${compression}`, compress(await makeTar(withParents(files)), compression)],
  ]);
  return { spec, bytes, sha256: createHash("sha256").update(bytes).digest("hex"), stanza: controlText(spec) };
}

/** An ar archive of these members. */
export function makeAr(members: readonly (readonly [name: string, content: Uint8Array])[]): Uint8Array {
  const pieces: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const [name, content] of members) {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(content.length).padEnd(10)}\`\n`;
    pieces.push(Buffer.from(header, "latin1"), content);
    if (content.length % 2 === 1) pieces.push(Buffer.from("\n"));
  }
  return Buffer.concat(pieces);
}

export function compress(bytes: Uint8Array, compression: DebCompression): Uint8Array {
  switch (compression) {
    case "":
      return bytes;
    case ".gz":
      return gzipSync(bytes);
    case ".zst":
      return zstdCompressSync(bytes);
    case ".xz":
      return execFileSync("xz", ["-c"], { input: bytes, maxBuffer: 64 << 20 });
    default:
      return compression satisfies never;
  }
}

export async function makeTar(files: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const sink = new MemorySink();
  const entries = Object.entries(files).map(([path, text]): TreeEntry => {
    const metadata = { uid: 0, gid: 0, mtimeSeconds: 1_700_000_000 };
    if (path.endsWith("/"))
      return { path: path.slice(0, -1), node: { ...metadata, kind: "directory", mode: 0o755 } };
    if (text.startsWith("-> "))
      return { path, node: { ...metadata, kind: "symlink", mode: 0o777, target: text.slice(3) } };
    return { path, node: { ...metadata, kind: "file", mode: 0o644, content: textSource(text) } };
  });
  await writeTar(entries, sink);
  return sink.toBytes();
}

/** Every directory before what is in it, as dpkg-deb writes them. */
function withParents(files: Readonly<Record<string, string>>): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [path, text] of Object.entries(files)) {
    const components = path.split("/").slice(0, -1);
    for (const depth of components.keys()) all[`${components.slice(0, depth + 1).join("/")}/`] = "";
    all[path] = text;
  }
  return all;
}
