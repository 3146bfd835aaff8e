// Which form a kernel image is in, told by its magic numbers.

import { KelpieError } from "@kelpie/platform";
import { compressionFormat } from "../compression/format.ts";
import { isElf } from "../elf/elf-file.ts";
import { parseArm64Image } from "./arm64-image.ts";
import { parseBzImage } from "./bzimage.ts";
import { parseElfKernel } from "./elf-kernel.ts";
import type { KernelImage } from "./kernel-image.ts";
import { isZboot, parseZboot } from "./zboot.ts";

/**
 * Tells the form of a kernel image.
 *
 * @throws KelpieError `unsupported` for a form that is not known, `malformed` for a header that contradicts the file.
 */
export function identifyKernel(bytes: Uint8Array, where = "a kernel image"): KernelImage {
  if (isElf(bytes)) return parseElfKernel(bytes, where);
  if (isZboot(bytes)) return parseZboot(bytes, where);
  const known = parseBzImage(bytes, where) ?? parseArm64Image(bytes);
  if (known !== undefined) return known;
  const compression = compressionFormat(bytes);
  if (compression !== "none") return { kind: "compressed", compression };
  throw new KelpieError("unsupported", "A kernel image is in a form that is not known", {
    expected: "bzImage, arm64 Image, ELF vmlinux, EFI zboot, or one of them compressed",
    found: `${bytes.length} bytes that begin with ${Buffer.from(bytes.subarray(0, 8)).toString("hex")}`,
    where,
  });
}
