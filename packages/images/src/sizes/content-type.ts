// What a file's content is, by its first bytes.

import type { ByteSource } from "@kelpie/formats";

export const contentTypes = [
  "program",
  "library",
  "kernel module",
  "script",
  "text",
  "compressed",
  "other",
] as const;
export type ContentType = (typeof contentTypes)[number];

const headBytes = 512;
const elf = [0x7f, 0x45, 0x4c, 0x46];
const compressed: readonly (readonly number[])[] = [
  [0x1f, 0x8b],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0x42, 0x5a, 0x68],
  [0x50, 0x4b, 0x03, 0x04],
];

/** The type of a file with this name and content. */
export async function contentType(name: string, content: ByteSource): Promise<ContentType> {
  const head = await firstBytes(content);
  const startsWith = (magic: readonly number[]): boolean =>
    magic.every((byte, index) => head[index] === byte);
  if (startsWith(elf)) {
    if (/\.ko$/.test(name)) return "kernel module";
    return /\.so(?:\.|$)/.test(name) ? "library" : "program";
  }
  if (compressed.some(startsWith)) return /\.ko\.\w+$/.test(name) ? "kernel module" : "compressed";
  if (head[0] === 0x23 && head[1] === 0x21) return "script";
  return isText(head) ? "text" : "other";
}

async function firstBytes(content: ByteSource): Promise<Uint8Array> {
  const length = Math.min(headBytes, content.sizeBytes);
  if (content.bytes !== undefined) return content.bytes.subarray(0, length);
  if (content.readInto !== undefined) {
    const head = new Uint8Array(length);
    if (length > 0) await content.readInto(head, 0);
    return head;
  }
  for await (const chunk of content.open()) return chunk.subarray(0, length);
  return new Uint8Array();
}

/** UTF-8 without control characters; the last character may be cut. */
function isText(head: Uint8Array): boolean {
  if (head.some((byte) => byte < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte))) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}
