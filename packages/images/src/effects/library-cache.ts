// /etc/ld.so.cache, as ldconfig writes it: where glibc's loader finds libraries by their names.
// The format is glibc's sysdeps/generic/dl-cache.h, "glibc-ld.so.cache" version 1.1.

import type { ByteSource, TreeNode } from "@kelpie/formats";
import { baseName, bytesSource, collect, parentPath } from "@kelpie/formats";
import type { Architecture } from "@kelpie/platform";
import { followLinks, lookUp, putAt, readText, type TreeEditor } from "../rootfs/image-tree.ts";
import { readSharedObject } from "./shared-object.ts";

/** A library that the loader can find. */
export interface CachedLibrary {
  /** What a program asks for. */
  readonly soname: string;
  readonly path: string;
}

const loaders: Readonly<Record<Architecture, string>> = {
  amd64: "/lib64/ld-linux-x86-64.so.2",
  arm64: "/lib/ld-linux-aarch64.so.1",
};
/** FLAG_ELF_LIBC6 with the machine's FLAG_X8664_LIB64 or FLAG_AARCH64_LIB64. */
const flags: Readonly<Record<Architecture, number>> = { amd64: 0x0303, arm64: 0x0a03 };
const triplets: Readonly<Record<Architecture, string>> = {
  amd64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
};
const headerBytes = 48;
const entryBytes = 24;
const littleEndian = 2;
const maxLibraryBytes = 256 << 20;
const maxIncludes = 1000;

/**
 * Writes /etc/ld.so.cache and the links by which libraries are found, where the image has glibc's loader; does nothing
 * where it has not. Libraries for single processor levels (glibc-hwcaps) are left to the loader's own search.
 */
export async function writeLibraryCache(editor: TreeEditor, architecture: Architecture): Promise<void> {
  const { tree } = editor;
  if (lookUp(tree, loaders[architecture]) === undefined) return;
  const libraries: CachedLibrary[] = [];
  const visited = new Set<string>();
  for (const directory of await searchPath(editor, architecture)) {
    const real = followLinks(tree, directory, "follow");
    if (visited.has(real)) continue;
    visited.add(real);
    libraries.push(...(await librariesIn(editor, directory, architecture)));
  }
  putAt(tree, "/etc/ld.so.cache", {
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: editor.mtimeSeconds,
    content: bytesSource(encodeLibraryCache(libraries, architecture)),
  });
}

/** The bytes of a cache. Of libraries of one name the first in the list is found. */
export function encodeLibraryCache(
  libraries: readonly CachedLibrary[],
  architecture: Architecture,
): Uint8Array {
  const sorted = libraries.toSorted((a, b) => compareSonames(b.soname, a.soname));
  const strings = new StringTable(headerBytes + entryBytes * sorted.length);
  const entries = sorted.map(({ soname, path }) => ({ key: strings.add(soname), value: strings.add(path) }));
  const text = strings.toBytes();
  const bytes = new Uint8Array(headerBytes + entryBytes * sorted.length + text.length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("glibc-ld.so.cache1.1"));
  view.setUint32(20, sorted.length, true);
  view.setUint32(24, text.length, true);
  view.setUint8(28, littleEndian);
  for (const [index, { key, value }] of entries.entries()) {
    const at = headerBytes + index * entryBytes;
    view.setUint32(at, flags[architecture], true);
    view.setUint32(at + 4, key, true);
    view.setUint32(at + 8, value, true);
  }
  bytes.set(text, headerBytes + entryBytes * sorted.length);
  return bytes;
}

/**
 * The order in which the loader searches: digits count as numbers and above everything else, the rest byte by byte
 * (_dl_cache_libcmp).
 */
export function compareSonames(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const left = /^\d+/.exec(a.slice(i))?.[0];
    const right = /^\d+/.exec(b.slice(j))?.[0];
    if ((left === undefined) !== (right === undefined)) return left === undefined ? -1 : 1;
    if (left !== undefined && right !== undefined) {
      const difference = Number(left) - Number(right);
      if (difference !== 0) return difference;
      i += left.length;
      j += right.length;
    } else {
      const difference = a.charCodeAt(i) - b.charCodeAt(j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
  }
  return a.length - i - (b.length - j);
}

/** NUL-terminated strings, each once, with their offsets in the file. */
class StringTable {
  readonly #offsets = new Map<string, number>();
  readonly #strings: string[] = [];
  #end: number;

  constructor(base: number) {
    this.#end = base;
  }

  add(text: string): number {
    const existing = this.#offsets.get(text);
    if (existing !== undefined) return existing;
    const offset = this.#end;
    this.#offsets.set(text, offset);
    this.#strings.push(`${text}\0`);
    this.#end += Buffer.byteLength(text) + 1;
    return offset;
  }

  toBytes(): Uint8Array {
    return new TextEncoder().encode(this.#strings.join(""));
  }
}

/** Directories of /etc/ld.so.conf and those that the loader knows by itself, in ldconfig's order. */
async function searchPath(editor: TreeEditor, architecture: Architecture): Promise<readonly string[]> {
  const triplet = triplets[architecture];
  return [
    ...(await configured(editor, "/etc/ld.so.conf", { left: maxIncludes })),
    `/lib/${triplet}`,
    `/usr/lib/${triplet}`,
    "/lib",
    "/usr/lib",
    ...(architecture === "amd64" ? ["/lib64", "/usr/lib64"] : []),
  ];
}

async function configured(
  editor: TreeEditor,
  path: string,
  includes: { left: number },
): Promise<readonly string[]> {
  const text = await readText(editor.tree, path);
  const found: string[] = [];
  for (const line of (text ?? "").split("\n").map((each) => each.replace(/#.*/, "").trim())) {
    const include = /^include\s+(.*)$/.exec(line)?.[1];
    if (include === undefined) {
      if (line.startsWith("/")) found.push(line);
      continue;
    }
    for (const pattern of include.split(/\s+/)) {
      for (const file of matching(
        editor,
        pattern.startsWith("/") ? pattern : `${parentPath(path)}/${pattern}`,
      )) {
        if (includes.left-- > 0) found.push(...(await configured(editor, file, includes)));
      }
    }
  }
  return found;
}

/** Files that match a pattern whose last component may have "*" and "?". */
function matching({ tree }: TreeEditor, pattern: string): readonly string[] {
  const directory = parentPath(pattern);
  return tree
    .list(followLinks(tree, directory, "follow"))
    .filter((name) => !name.startsWith(".") && matchesPattern(name, baseName(pattern)))
    .map((name) => `${directory}/${name}`);
}

/** In time that grows with the product of the lengths at most, which a regular expression of many "*" would not. */
export function matchesPattern(name: string, pattern: string): boolean {
  let at = 0;
  let next = 0;
  let star: { readonly next: number; at: number } | undefined;
  while (at < name.length) {
    if (pattern[next] === "*") star = { next: ++next, at };
    else if (next < pattern.length && (pattern[next] === "?" || pattern[next] === name[at])) {
      at++;
      next++;
    } else if (star !== undefined) {
      next = star.next;
      at = ++star.at;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(next));
}

async function librariesIn(
  editor: TreeEditor,
  directory: string,
  architecture: Architecture,
): Promise<readonly CachedLibrary[]> {
  const { tree } = editor;
  const real = followLinks(tree, directory, "follow");
  const sonames = new Map<TreeNode, string>();
  // A file is found by the name that it gives itself, for which it may need a link; links by their own.
  for (const name of tree.list(real).filter(isLibraryName)) {
    const node = tree.get(`${real}/${name}`);
    const library = node?.kind === "file" ? readSharedObject(await contentOf(node.content)) : undefined;
    if (node === undefined || library?.architecture !== architecture) continue;
    const { soname = name } = library;
    sonames.set(node, soname);
    if (!editor.stands(`${real}/${soname}`)) editor.link(`${real}/${soname}`, name);
  }
  const isLibrary = async (name: string): Promise<boolean> => {
    const node = lookUp(tree, `${real}/${name}`);
    if (node?.kind !== "file") return false;
    if (tree.get(`${real}/${name}`) === node) return sonames.get(node) === name;
    return (
      sonames.has(node) || readSharedObject(await contentOf(node.content))?.architecture === architecture
    );
  };
  const found: CachedLibrary[] = [];
  for (const soname of tree.list(real).filter(isLibraryName)) {
    if (await isLibrary(soname)) found.push({ soname, path: `${directory}/${soname}` });
  }
  return found;
}

function isLibraryName(name: string): boolean {
  return /^(lib|ld-).*\.so/.test(name) && !name.endsWith("-gdb.py");
}

async function contentOf(source: ByteSource): Promise<Uint8Array> {
  if (source.sizeBytes > maxLibraryBytes) return new Uint8Array();
  return source.bytes ?? (await collect(source.open(), maxLibraryBytes, "A library"));
}
