// A digest of a file that is mostly holes, in about the time that it takes to read what is not.

import { createHash } from "node:crypto";
import type { Files } from "@kelpie/platform";

const blockBytes = 1 << 20;
const zeros = Buffer.alloc(blockBytes);

/**
 * SHA-256 over the file's size and, for each block of 1 MiB that is not all zeros, its number and its content. Two files
 * have the same digest where they have the same content, whichever of their zeros are holes.
 */
export async function sparseDigest(files: Files, path: string): Promise<string> {
  await using file = await files.open(path, "read");
  const { sizeBytes } = await file.stat();
  const hash = createHash("sha256").update(header(sizeBytes));
  const block = Buffer.alloc(blockBytes);
  for (let at = 0; at < sizeBytes; at += blockBytes) {
    const length = await file.read(block, at);
    const content = block.subarray(0, length);
    if (content.equals(zeros.subarray(0, length))) continue;
    hash.update(header(at)).update(content);
  }
  return hash.digest("hex");
}

function header(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
