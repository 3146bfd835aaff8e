// A tree as a private disk, and back.

import { type ByteSink, type Ext4Contents, fileSource, FileTree, readExt4, writeExt4 } from "@kelpie/formats";
import type { FileHandle, Platform } from "@kelpie/platform";

/** Where on the disk the tree is: its root has a lost+found, which is no business of whoever works in the tree. */
export const treeOnDisk = "tree";

const label = "kelpie-share";
/** Room for what the guest writes; the file is sparse, so what is not used takes nothing. */
const freeBytes = 4 * 2 ** 30;
/**
 * The change time of every inode of the fresh disk. The guest's clock is never back there, so an inode with another one is
 * one that the guest has changed.
 */
export const pristineSeconds = 1;

type Parts = Pick<Platform, "files" | "random">;

/** Writes `tree` to the new file `path`. Returns the size of the disk. */
export async function writeDisk(
  { files, random }: Parts,
  path: string,
  tree: FileTree,
  signal: AbortSignal,
): Promise<number> {
  const whole = new FileTree();
  for (const entry of tree.entries()) whole.put(`${treeOnDisk}/${entry.path}`, entry.node);
  await using handle = await files.open(path, "create", 0o600);
  const sink = new FileSink(handle);
  const { sizeBytes } = await writeExt4(whole, sink, {
    label,
    seed: random.bytes(32),
    timestampSeconds: pristineSeconds,
    freeBytes,
    signal,
  });
  await handle.truncate(sizeBytes);
  return sizeBytes;
}

/** A disk, and what of it cannot be read: by path, why. */
export type DiskContents = Ext4Contents & { readonly leftOut: ReadonlyMap<string, string> };

/** Reads the disk in the file `path`, which must stand still. What {@link readExt4} throws. */
export async function readDisk(
  { files }: Pick<Platform, "files">,
  path: string,
  signal: AbortSignal,
): Promise<DiskContents> {
  const sizeBytes = (await files.stat(path))?.sizeBytes ?? 0;
  const leftOut = new Map<string, string>();
  const contents = await readExt4(fileSource(files, path, 0, sizeBytes), {
    where: path,
    onLeftOut: (name, why) => leftOut.set(name, why),
    signal,
  });
  return { ...contents, leftOut };
}

class FileSink implements ByteSink {
  readonly #handle: FileHandle;
  #position = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#handle.write(bytes, this.#position);
    this.#position += bytes.length;
  }

  skip(sizeBytes: number): Promise<void> {
    this.#position += sizeBytes;
    return Promise.resolve();
  }
}
