// A kernel in the form that Firecracker enters: the ELF vmlinux on amd64, the Image on arm64. Other forms have it inside.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { extractVmlinux, identifyKernel, maxKernelBytes, unwrapKernel } from "@kelpie/formats";
import { KelpieError, type Platform, replaceFile } from "@kelpie/platform";
import type { BootImage } from "../vmm.ts";

type Parts = Pick<Platform, "files" | "host" | "random">;

/**
 * The path of the image's kernel as Firecracker wants it: the file itself, or what is inside it, taken out once and kept in
 * KELPIE_HOME/cache by the digest of the file. `malformed`, `unsupported`, `not-found`.
 */
export async function enterableKernel(
  platform: Parts,
  home: string,
  { kernel, architecture, digests }: BootImage,
): Promise<string> {
  const { files } = platform;
  const directory = join(home, "cache", "kernels");
  const known = digests === undefined ? undefined : join(directory, digests.kernel);
  if (known !== undefined && (await files.stat(known)) !== undefined) return known;
  const bytes = await files.readFile(kernel, maxKernelBytes);
  const inner = await unwrapKernel(bytes, kernel);
  const { kind } = identifyKernel(inner, kernel);
  const isImage = kind === "elf" || kind === "arm64-image";
  const enterable = isImage ? inner : await extractVmlinux(inner, kernel);
  requireArchitecture(enterable, architecture, kernel);
  if (enterable === bytes) return kernel;
  const path = join(directory, createHash("sha256").update(bytes).digest("hex"));
  await files.makeDirectory(directory);
  await replaceFile(platform, path, enterable);
  return path;
}

function requireArchitecture(bytes: Uint8Array, expected: string, where: string): void {
  const image = identifyKernel(bytes, where);
  const found = "architecture" in image ? image.architecture : undefined;
  if (found === expected) return;
  throw new KelpieError("unsupported", "A kernel is for another processor", {
    expected,
    found: found ?? image.kind,
    where,
  });
}
