// A directory of blobs and an index (OCI image specification 1.1, "Image Layout").

import { dirname, join } from "node:path";
import { KelpieError, type Files } from "@kelpie/platform";
import { writeImageFile } from "../../build/file-sink.ts";
import { bytesSource, type ByteSource } from "@kelpie/formats";
import { canonicalJson } from "../../plan/canonical-json.ts";
import type { BlobDescription } from "./blob-download.ts";
import { checkDigest, type Digest } from "./digest.ts";
import { type Descriptor, type Index, indexMediaType, maxManifestBytes, parseIndex } from "./manifest.ts";

/** A file of a layout. */
export interface LayoutFile {
  /** Relative to the layout's directory. */
  readonly path: string;
  readonly content: ByteSource;
}

const indexName = "index.json";

export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** What marks a directory as a layout, and its index, which names what else is in it. */
export function layoutHead(manifests: Descriptor[]): LayoutFile[] {
  const index: Index = { schemaVersion: 2, mediaType: indexMediaType, manifests };
  return [
    { path: "oci-layout", content: textContent('{"imageLayoutVersion":"1.0.0"}') },
    { path: indexName, content: textContent(canonicalJson(index)) },
  ];
}

/** A blob in memory as a file of a layout. */
export function blobFile({ digest }: BlobDescription, bytes: Uint8Array): LayoutFile {
  return { path: blobPath(digest), content: bytesSource(bytes) };
}

/** Two blobs that hold the same are one file. */
export function eachOnce(files: readonly LayoutFile[]): LayoutFile[] {
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

/** Writes the files of a layout into a directory that does not hold any of them. */
export async function writeLayout(
  files: Pick<Files, "makeDirectory" | "open">,
  directory: string,
  layout: readonly LayoutFile[],
  signal?: AbortSignal,
): Promise<void> {
  for (const { path, content } of layout) {
    await files.makeDirectory(join(directory, dirname(path)));
    await writeImageFile(files, join(directory, path), async (sink) => {
      for await (const chunk of content.open(signal)) await sink.write(chunk);
    });
  }
}

/** The index of a layout. @throws KelpieError `not-found`, `malformed`. */
export async function readLayoutIndex(files: Pick<Files, "readFile">, directory: string): Promise<Index> {
  const path = join(directory, indexName);
  return parseIndex(await files.readFile(path, maxManifestBytes), path);
}

/** A blob of a layout, which must be what its description says. @throws KelpieError `not-found`, `digest-mismatch`. */
export async function readLayoutBlob(
  files: Pick<Files, "readFile">,
  directory: string,
  { digest, size }: BlobDescription,
): Promise<Uint8Array> {
  const path = join(directory, blobPath(digest));
  const bytes = await files.readFile(path, size);
  checkDigest(bytes, digest, path);
  return bytes;
}

/** @throws KelpieError `already-exists` unless nothing stands there, or an empty directory. */
export async function requireRoomForLayout(files: Pick<Files, "stat" | "list">, path: string): Promise<void> {
  const status = await files.stat(path);
  if (status === undefined || (status.kind === "directory" && (await files.list(path)).length === 0)) return;
  throw new KelpieError("already-exists", "An image layout gets a directory of its own", {
    expected: "nothing, or an empty directory",
    found: `a ${status.kind}`,
    where: path,
  });
}

function textContent(text: string): ByteSource {
  return bytesSource(new TextEncoder().encode(text));
}
