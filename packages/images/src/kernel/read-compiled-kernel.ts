// Takes out of the cache what an image needs of a kernel that was compiled for Kelpie.

import { join } from "node:path";
import { bytesSource, identifyKernel, maxKernelBytes, type TreeEntry } from "@kelpie/formats";
import { type Architecture, type Files, KelpieError } from "@kelpie/platform";
import type { BuiltKernel } from "./build/built-kernel.ts";
import { type KernelOptions, parseKernelConfig } from "./build/kernel-config.ts";
import type { GuestKernel, KernelVariant } from "./guest-kernel.ts";
import { kernelFromFiles } from "./read-guest-kernel.ts";

/** What a kernel needs to come from its first instruction to /sbin/init on a virtio disk by itself. */
const ownRoot = ["VIRTIO_PCI", "VIRTIO_BLK", "EXT4_FS", "DEVTMPFS", "DEVTMPFS_MOUNT"];

/** The options that a kernel would need beside those it has to mount its root without an initrd. */
export function missingForRoot(config: KernelOptions): readonly string[] {
  return ownRoot.filter((option) => config.get(option) !== "y");
}

/** @throws KelpieError `unsupported` for a kernel that lacks what a VM needs, `malformed`. */
export async function readCompiledKernel(
  files: Pick<Files, "readFile">,
  architecture: Architecture,
  { directory, release, sizeBytes }: Pick<BuiltKernel, "directory" | "release" | "sizeBytes">,
  signal?: AbortSignal,
): Promise<GuestKernel> {
  const read = (name: string): Promise<Uint8Array> => files.readFile(join(directory, name), maxKernelBytes);
  const modules = `lib/modules/${release}`;
  const entries = [
    entry(`boot/vmlinuz-${release}`, await read("vmlinuz")),
    entry(`${modules}/modules.builtin`, await read("modules.builtin")),
    entry(`${modules}/modules.builtin.modinfo`, await read("modules.builtin.modinfo")),
  ];
  const kernel = await kernelFromFiles({ architecture, entries, where: directory }, signal);
  const variants = "vmlinux" in sizeBytes ? [elfVariant(await read("vmlinux"), architecture, directory)] : [];
  const config = parseKernelConfig(new TextDecoder().decode(await read("config")), directory);
  const mountsRoot = missingForRoot(config).length === 0;
  return { ...kernel, variants, mountsRoot };
}

function elfVariant(bytes: Uint8Array, architecture: Architecture, where: string): KernelVariant {
  const image = identifyKernel(bytes, where);
  if (image.kind === "elf" && image.architecture === architecture)
    return { file: "vmlinux", image: bytesSource(bytes) };
  throw new KelpieError("malformed", "A compiled kernel is in another form than its name says", {
    expected: `an ELF vmlinux for ${architecture}`,
    found: image.kind,
    where,
  });
}

function entry(path: string, bytes: Uint8Array): TreeEntry {
  const content = bytesSource(bytes);
  return { path, node: { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, content } };
}
