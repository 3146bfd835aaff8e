// ext4 images in scratch files, and the programs of e2fsprogs that judge them.

import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import assert from "node:assert/strict";
import { join } from "node:path";
import { type ByteSink, MemorySink } from "../../byte-sink.ts";
import { textSource } from "../../byte-source.ts";
import type { FileTree } from "../../tree/file-tree.ts";
import type { FileNode, NodeMetadata } from "../../tree/node.ts";
import { scratchDirectory, unlessInstalled } from "../../testing/tools.ts";
import { roCompatFeature } from "../constants.ts";
import type { Ext4Options } from "../options.ts";
import type { Ext4Summary } from "../summary.ts";
import { writeExt4 } from "../write.ts";

export const options: Ext4Options = {
  label: "kelpie-root",
  seed: Uint8Array.from({ length: 32 }, (_, index) => index),
  timestampSeconds: 1_700_000_000,
  freeBytes: 1024 ** 2,
};

export const metadata: NodeMetadata = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1_600_000_000 };

export const withoutE2fsprogs = unlessInstalled("e2fsck", "debugfs", "dumpe2fs", "resize2fs");

export function file(text: string, changes: Partial<NodeMetadata> = {}): FileNode {
  return { ...metadata, ...changes, kind: "file", content: textSource(text) };
}

/** A sink that leaves holes in the file where it can. */
export function fileSink(descriptor: number): ByteSink & { position: number } {
  const sink = {
    position: 0,
    write: (bytes: Uint8Array): Promise<void> => {
      writeSync(descriptor, bytes, 0, bytes.length, sink.position);
      sink.position += bytes.length;
      return Promise.resolve();
    },
    skip: (sizeBytes: number): Promise<void> => {
      sink.position += sizeBytes;
      return Promise.resolve();
    },
  };
  return sink;
}

/** Writes `tree` into memory. */
export async function imageBytes(tree: FileTree): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeExt4(tree, sink, options);
  return sink.toBytes();
}

/** Says in the superblock that there are no checksums, so that damage gets past them. */
export function withoutChecksums(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  view.setUint32(1024 + 0x64, view.getUint32(1024 + 0x64, true) & ~roCompatFeature.metadataChecksum, true);
  return bytes;
}

export interface Image extends Disposable {
  readonly path: string;
  readonly directory: string;
  readonly summary: Ext4Summary;
}

/** Writes `tree` into a file that goes at the end of the block. */
export async function imageOf(tree: FileTree, changes: Partial<Ext4Options> = {}): Promise<Image> {
  const scratch = scratchDirectory();
  const path = join(scratch.path, "image.ext4");
  const descriptor = openSync(path, "wx");
  try {
    const sink = fileSink(descriptor);
    const summary = await writeExt4(tree, sink, { ...options, ...changes });
    assert.equal(sink.position, summary.sizeBytes);
    ftruncateSync(descriptor, sink.position);
    return { path, directory: scratch.path, summary, [Symbol.dispose]: () => scratch[Symbol.dispose]() };
  } finally {
    closeSync(descriptor);
  }
}

/** e2fsck must find nothing at all. */
export function assertClean(path: string): void {
  const { status, stdout, stderr } = spawnSync("e2fsck", ["-fn", path], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

/** What debugfs prints for one request. */
export function debugfs(path: string, request: string): string {
  const { stdout, stderr } = spawnSync("debugfs", ["-R", request, path], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  assert.match(stderr, /^debugfs [0-9.]+ \([^)]*\)\n$/, `${request}: ${stderr}`);
  return stdout;
}

/** What debugfs reads of a file in the image. */
export function catFile(path: string, name: string): Buffer {
  return spawnSync("debugfs", ["-R", `cat ${name}`, path], { maxBuffer: 2 ** 28 }).stdout;
}

export function dumpe2fs(path: string): string {
  return spawnSync("dumpe2fs", [path], { encoding: "utf8", maxBuffer: 2 ** 28 }).stdout;
}

/** Grows the file to `sizeBytes` and the file system in it. */
export function grow(path: string, sizeBytes: number): void {
  const descriptor = openSync(path, "r+");
  ftruncateSync(descriptor, sizeBytes);
  closeSync(descriptor);
  const { status, stdout, stderr } = spawnSync("resize2fs", [path], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
}
