// One layer of a container image: a tar archive, compressed by gzip (OCI image specification 1.1, "Image Layer Filesystem Changeset").

import { createHash } from "node:crypto";
import { type FileTree, gzip, type TarSourceEntry, writeTar, produced } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";
import { writeImageFile } from "../../build/file-sink.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import type { Digest } from "../oci/digest.ts";

/** A layer in a file. */
export interface WrittenLayer {
  /** Of the compressed archive. */
  readonly blob: BlobDescription;
  readonly path: string;
  /** Of the archive before it is compressed: what an image's configuration names. */
  readonly diffId: Digest;
}

/** Names that begin so mean "removed" in a layer. */
const whiteoutPrefix = ".wh.";
const lostAndFound = "lost+found";

/**
 * A root file system as the entries of a layer. A container's runtime makes the device nodes that it allows, a socket
 * belongs to who listens, and lost+found to ext4: none of them is part of it.
 *
 * @throws KelpieError `unsupported` for a name that a layer would take for a removal.
 */
export function* layerEntries(tree: FileTree): Generator<TarSourceEntry> {
  for (const entry of tree.entries()) {
    const { path, node } = entry;
    if (node.kind === "character-device" || node.kind === "block-device" || node.kind === "socket") continue;
    if (path === lostAndFound || path.startsWith(`${lostAndFound}/`)) continue;
    if (path.slice(path.lastIndexOf("/") + 1).startsWith(whiteoutPrefix)) {
      throw new KelpieError("unsupported", "A container image cannot hold a file of this name", {
        expected: `names that do not begin with ${whiteoutPrefix}`,
        found: path,
      });
    }
    yield entry;
  }
}

/** Writes a layer to `path`. The same entries give the same bytes, with the same build of Node. */
export async function writeLayer(
  files: Pick<Files, "open">,
  path: string,
  entries: Iterable<TarSourceEntry>,
  signal: AbortSignal | undefined,
): Promise<WrittenLayer> {
  const hash = createHash("sha256");
  const archive = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of produced((sink) => writeTar(entries, sink))) {
      throwIfCancelled(signal);
      hash.update(chunk);
      yield chunk;
    }
  };
  const { sizeBytes, sha256 } = await writeImageFile(files, path, async (sink) => {
    for await (const chunk of gzip(archive())) await sink.write(chunk);
  });
  return {
    path,
    blob: { digest: `sha256:${sha256}`, size: sizeBytes },
    diffId: `sha256:${hash.digest("hex")}`,
  };
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new KelpieError("cancelled", "The making of a layer was cancelled", { cause: signal.reason });
}
