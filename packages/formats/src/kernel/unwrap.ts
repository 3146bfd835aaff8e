// Takes a kernel image out of its compressed wrappings.

import { KelpieError } from "@kelpie/platform";

/** A kernel larger than this is refused. */
export const maxKernelBytes = 256 * 1024 * 1024;

/**
 * The image that a VMM can load: a zboot or compressed image's content (unwrapped until none is left), anything else as it is.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsupported` (a compression that is not known).
 */
export function unwrapKernel(_bytes: Uint8Array, _where?: string): Promise<Uint8Array> {
  throw new KelpieError("internal", "Unwrapping kernels is not written yet");
}

/**
 * The ELF vmlinux inside a bzImage.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsupported` (not a bzImage, or a compression that is not known).
 */
export function extractVmlinux(_bytes: Uint8Array, _where?: string): Promise<Uint8Array> {
  throw new KelpieError("internal", "Extracting vmlinux is not written yet");
}
