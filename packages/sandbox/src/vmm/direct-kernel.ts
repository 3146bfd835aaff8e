// The kernel in the form that a monitor without a boot loader enters: an ELF vmlinux on amd64, an Image on arm64.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { extractVmlinux, identifyKernel, maxKernelBytes, unwrapKernel } from "@kelpie/formats";
import { type Platform, writeFileAtomic } from "@kelpie/platform";
import type { BootImage } from "./vmm.ts";

const elfMagic = 0x7f454c46;
const arm64Magic = 0x41524d64;
const arm64MagicAt = 56;
const headBytes = 64;

/** A kernel that can be entered. */
export interface DirectKernel {
  readonly path: string;
  readonly format: "elf" | "image";
}

/**
 * The image's kernel, or what is packed in it: unpacked once, into `cacheDirectory` under the packed file's digest.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsupported` for a form that is not known, `not-found`
 */
export async function directKernel(
  platform: Pick<Platform, "files" | "host" | "random">,
  { kernel, digests }: Pick<BootImage, "kernel" | "digests">,
  cacheDirectory: string,
): Promise<DirectKernel> {
  const { files } = platform;
  const format = await formOf(files, kernel);
  if (format !== undefined) return { path: kernel, format };
  const packed = digests === undefined ? await files.readFile(kernel, maxKernelBytes) : undefined;
  const digest =
    digests?.kernel ??
    createHash("sha256")
      .update(packed ?? "")
      .digest("hex");
  const path = join(cacheDirectory, digest);
  const cached = await formOf(files, path);
  if (cached !== undefined) return { path, format: cached };
  const { format: found, bytes } = await unpacked(
    packed ?? (await files.readFile(kernel, maxKernelBytes)),
    kernel,
  );
  await files.makeDirectory(cacheDirectory, 0o700);
  await writeFileAtomic(platform, path, bytes);
  return { path, format: found };
}

/** The form of a file by its magic numbers; undefined where it has to be unpacked first, or is not there. */
async function formOf(files: Platform["files"], path: string): Promise<DirectKernel["format"] | undefined> {
  const status = await files.stat(path);
  if (status === undefined || status.sizeBytes < headBytes) return undefined;
  const head = new Uint8Array(headBytes);
  await files.readInto(path, head, 0);
  const view = new DataView(head.buffer);
  if (view.getUint32(0) === elfMagic) return "elf";
  return view.getUint32(arm64MagicAt) === arm64Magic ? "image" : undefined;
}

async function unpacked(
  packed: Uint8Array,
  where: string,
): Promise<Pick<DirectKernel, "format"> & { readonly bytes: Uint8Array }> {
  const inner = await unwrapKernel(packed, where);
  const bytes = identifyKernel(inner, where).kind === "bzimage" ? await extractVmlinux(inner, where) : inner;
  const format = identifyKernel(bytes, where).kind === "elf" ? "elf" : "image";
  return { format, bytes };
}
