// Which compression a stream is in, told by its first bytes.

/** `none` means that no known magic number stands at the beginning. */
export type CompressionFormat = "gzip" | "xz" | "zstd" | "lz4-legacy" | "none";

/** The number of leading bytes that {@link compressionFormat} looks at. */
export const compressionMagicBytes = 6;

const magics: readonly (readonly [CompressionFormat, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  // The frame that the kernel's own build makes (`lz4 -l`), not the one of the lz4 command.
  ["lz4-legacy", [0x02, 0x21, 0x4c, 0x18]],
];

/** The compression of a stream that begins with `head`. */
export function compressionFormat(head: Uint8Array): CompressionFormat {
  return magics.find(([, magic]) => magic.every((byte, index) => head[index] === byte))?.[0] ?? "none";
}
