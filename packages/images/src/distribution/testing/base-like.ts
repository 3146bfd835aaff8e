// Root file systems that are as a base image's are, made from nothing: packages of programs and many small files, of which
// one can be another version.

import { createHash } from "node:crypto";
import { bytesSource, type FileNode, FileTree, MemorySink, writeExt4 } from "@kelpie/formats";
import { noise } from "./images.ts";

export interface BaseLike {
  readonly packages: number;
  /** Of one package, on average. */
  readonly packageBytes: number;
  /** Packages that are not of version 1, by their number. */
  readonly changed?: ReadonlyMap<number, string>;
  /** Of the commit. */
  readonly timestampSeconds: number;
}

/** An ext4 file system as the builder lays it out: package by package, behind them what belongs to none. */
export async function baseLikeRootfs(options: BaseLike): Promise<Uint8Array> {
  const { packages, packageBytes, changed, timestampSeconds } = options;
  const tree = new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSeconds: timestampSeconds });
  const owners = new Map<string, string>();
  const database: string[] = [];
  for (let number = 0; number < packages; number += 1) {
    const name = `package${String(number).padStart(3, "0")}`;
    const version = changed?.get(number) ?? "1";
    for (const [path, content] of filesOf(name, version, packageBytes)) {
      tree.put(path, fileOf(content, 1_600_000_000));
      owners.set(path, name);
      database.push(`${createHash("sha256").update(content).digest("hex")}  ${path}`);
    }
  }
  tree.put("var/lib/database", fileOf(Buffer.from(database.join("\n")), timestampSeconds));
  tree.put("etc/kelpie-build-date", fileOf(Buffer.from(`${timestampSeconds}\n`), timestampSeconds));
  const sink = new MemorySink();
  await writeExt4(tree, sink, {
    label: "kelpie-root",
    seed: createHash("sha256").update(database.join()).digest(),
    timestampSeconds,
    freeBytes: 16 << 20,
    region: (path) => owners.get(path) ?? "~",
  });
  return sink.toBytes();
}

function fileOf(content: Uint8Array, mtimeSeconds: number): FileNode {
  return { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSeconds, content: bytesSource(content) };
}

/** A program of half of it and a hundred small files in three directories; another version is longer, and all of it differs. */
function* filesOf(
  name: string,
  version: string,
  bytes: number,
): Generator<[path: string, content: Uint8Array]> {
  const seed = `${name} ${version}`;
  const sizes = noise(`sizes ${seed}`, 101);
  const unit = bytes / 256;
  yield [`usr/bin/${name}`, programLike(seed, Math.round((128 + (sizes[0] ?? 0) / 8) * unit))];
  for (let index = 1; index < sizes.length; index += 1) {
    const directory = ["usr/lib", "usr/share/doc", "etc"][index % 3] ?? "";
    const sizeBytes = Math.round(((sizes[index] ?? 0) / 128) * unit) + 100;
    yield [`${directory}/${name}/file${index}`, programLike(`${seed} ${index}`, sizeBytes)];
  }
}

/** Bytes that zstd makes about two fifths of, as it does of programs: pieces of one noise, in an order of another's. */
function programLike(seed: string, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  const words = noise(`words ${seed}`, 4096);
  const order = noise(`order ${seed}`, Math.ceil(sizeBytes / 8) + 2);
  for (let at = 0, step = 0; at < sizeBytes; step += 2) {
    const length = 8 + ((order[step] ?? 0) % 8);
    const from = (((order[step] ?? 0) << 8) | (order[step + 1] ?? 0)) % (words.length - 16);
    bytes.set(words.subarray(from, from + Math.min(length, sizeBytes - at)), at);
    at += length;
  }
  return bytes;
}
