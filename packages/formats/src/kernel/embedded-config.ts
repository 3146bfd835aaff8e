// The configuration that a kernel carries inside (CONFIG_IKCONFIG, kernel/configs.c), without booting it.

import { bytesSource } from "../byte-source.ts";
import { decompress } from "../compression/decompress.ts";
import { collect } from "../stream/collect.ts";

const startMark = Buffer.from("IKCFG_ST", "latin1");
const endMark = Buffer.from("IKCFG_ED", "latin1");
const gzipMagic = Buffer.from([0x1f, 0x8b]);
/** A distribution's is about 270 KB. */
const maxConfigBytes = 2 << 20;

/**
 * The text of the configuration, or undefined for a kernel that carries none.
 *
 * @param kernel uncompressed: an ELF vmlinux or an arm64 Image.
 * @throws KelpieError `malformed`, `limit-exceeded` for one that cannot be unpacked.
 */
export async function embeddedConfig(
  kernel: Uint8Array,
  where = "a kernel image",
): Promise<string | undefined> {
  const bytes = Buffer.from(kernel.buffer, kernel.byteOffset, kernel.length);
  // The mark stands also where the kernel's own code or documentation speaks of it: only in front of gzip it is meant.
  for (let at = bytes.indexOf(startMark); at >= 0; at = bytes.indexOf(startMark, at + 1)) {
    const start = at + startMark.length;
    if (!bytes.subarray(start, start + 2).equals(gzipMagic)) continue;
    const end = bytes.indexOf(endMark, start);
    if (end < 0) return undefined;
    const unpacked = decompress(bytesSource(bytes.subarray(start, end)).open(), {
      format: "gzip",
      maxOutputBytes: maxConfigBytes,
      where: `${where}, its configuration`,
    });
    const text = await collect(unpacked, maxConfigBytes, "A kernel's configuration");
    return Buffer.from(text).toString("utf8");
  }
  return undefined;
}
