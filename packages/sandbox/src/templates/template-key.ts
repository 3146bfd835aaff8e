// What a template depends on, as one digest: the name of its directory.

import { createHash } from "node:crypto";
import { type Files, KelpieError } from "@kelpie/platform";
import type { BootImage, Vmm, VmSpec } from "../vmm/vmm.ts";
import { fileStamp } from "./stamp.ts";

/** Changes when what is done to a guest before it is saved changes. */
const formatVersion = 3;
const keyLength = 32;

/**
 * The key of `spec`'s template: the monitor's build and whole command line (machine, processor, memory, devices, kernel
 * command line), the content of the image's files, the agent's among them, and our own format. Undefined where `vmm`
 * cannot restore.
 */
export async function templateKey(files: Files, vmm: Vmm, spec: VmSpec): Promise<string | undefined> {
  const state = await vmm.stateKey?.(spec);
  if (state === undefined) return undefined;
  const parts = JSON.stringify({ formatVersion, state, image: await imageIdentity(files, spec.image) });
  return createHash("sha256").update(parts).digest("hex").slice(0, keyLength);
}

/** The digests where they are known, else what tells the files apart from all others on this machine. */
async function imageIdentity(files: Files, image: BootImage): Promise<unknown> {
  return image.digests ?? (await imageStamps(files, image));
}

/** The stamps of an image's files. `not-found` where one is missing. */
export async function imageStamps(
  files: Files,
  { rootfs, kernel, initrd }: BootImage,
): Promise<Record<"rootfs" | "kernel" | "initrd", string>> {
  const stamp = async (path: string): Promise<string> => {
    const found = await fileStamp(files, path);
    if (found === undefined) throw new KelpieError("not-found", `There is no ${path}`);
    return found;
  };
  const [first, second, third] = await Promise.all([stamp(rootfs), stamp(kernel), stamp(initrd)]);
  return { rootfs: first, kernel: second, initrd: third };
}
