// A machine's own copy of a disk: Firecracker knows no layers, so each guest writes to a file of its own, with holes where
// there is nothing.

import { isZero } from "@kelpie/formats";
import { cancelled, type Platform } from "@kelpie/platform";

const chunkBytes = 1 << 20;
const blockBytes = 4096;

/** Copies `from` to the new file `to`, made `sizeBytes` long. `not-found`, `disk-full`, `cancelled`. */
export async function copyDisk(
  { files }: Pick<Platform, "files">,
  from: string,
  to: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await using source = await files.open(from, "read");
  await using target = await files.open(to, "create", 0o600);
  const buffer = new Uint8Array(chunkBytes);
  for (let at = 0; ; at += chunkBytes) {
    if (signal.aborted) throw cancelled(signal);
    const length = await source.read(buffer, at);
    await writeWhatIsThere(target, buffer.subarray(0, length), at);
    if (length < chunkBytes) break;
  }
  await target.truncate(sizeBytes);
}

/** Runs of blocks that are not all zeros: what is left out stays a hole. */
async function writeWhatIsThere(
  target: { write(bytes: Uint8Array, at: number): Promise<void> },
  bytes: Uint8Array,
  at: number,
): Promise<void> {
  let start = -1;
  for (let block = 0; block < bytes.length + blockBytes; block += blockBytes) {
    const piece = bytes.subarray(block, block + blockBytes);
    const isThere = piece.length > 0 && !isZero(piece);
    if (isThere && start === -1) start = block;
    if (!isThere && start !== -1) {
      await target.write(bytes.subarray(start, Math.min(block, bytes.length)), at + start);
      start = -1;
    }
  }
}
