// Whether an image's kernel is, in each of its forms, what the metadata says, and can drive a VM's devices.

import { embeddedConfig, extractVmlinux, identifyKernel, maxKernelBytes } from "@kelpie/formats";
import type { Files } from "@kelpie/platform";
import { type KernelOptions, parseKernelConfig } from "../kernel/build/kernel-config.ts";
import { missingForRoot } from "../kernel/read-compiled-kernel.ts";
import { kernelFormats } from "../kernel/read-guest-kernel.ts";
import { vmmsFor } from "../kernel/vmms.ts";
import { kernelImages } from "../metadata/boot-kernel.ts";
import type { ImageMetadata } from "../metadata/image-metadata.ts";
import { imageFile, type StoredImage } from "../store/image-store.ts";
import { checkDrivers } from "./drivers.ts";
import type { Finding } from "./finding.ts";

type KernelImageEntry = ReturnType<typeof kernelImages>[number];

/** @param modules names of those that the initrd loads during the boot. @throws KelpieError `malformed`, `limit-exceeded`. */
export async function checkKernel(
  files: Pick<Files, "readFile">,
  image: StoredImage,
  metadata: ImageMetadata,
  modules: ReadonlySet<string>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const entry of kernelImages(metadata)) {
    const where = imageFile(image, entry.file);
    const bytes = await files.readFile(where, maxKernelBytes);
    const found = identifyKernel(bytes, where);
    findings.push(formFinding(entry, metadata, found));
    const inner = found.kind === "bzimage" ? await extractVmlinux(bytes, where) : bytes;
    const text = await embeddedConfig(inner, where);
    const config = text === undefined ? undefined : parseKernelConfig(text, `${where}, its configuration`);
    if (metadata.kernel.mountsRoot === true) findings.push(rootFinding(entry, config));
    for (const finding of checkDrivers({ bytes: inner, config }, modules))
      findings.push(
        entry.file === "vmlinuz" ? finding : { ...finding, what: `${finding.what}, in ${entry.file}` },
      );
  }
  return findings;
}

/** What boots without an initrd must show that it can. */
function rootFinding({ file }: KernelImageEntry, config: KernelOptions | undefined): Finding {
  const missing = config === undefined ? undefined : missingForRoot(config);
  return {
    what: `${file}: mounts the root file system without an initrd`,
    isMet: missing?.length === 0,
    found:
      missing === undefined
        ? "a kernel that does not say what it was configured with"
        : missing.length === 0
          ? "all built in"
          : `without ${missing.map((option) => `CONFIG_${option}`).join(", ")}`,
  };
}

/** By its magic numbers alone: that it is for the machine, of the form, and for the monitors that the metadata names. */
function formFinding(
  { file, format, vmms }: KernelImageEntry,
  { architecture }: Pick<ImageMetadata, "architecture">,
  found: ReturnType<typeof identifyKernel>,
): Finding {
  const isBootable = found.kind !== "zboot" && found.kind !== "compressed";
  const form = isBootable ? kernelFormats[found.kind] : found.kind;
  const machine = found.kind === "compressed" ? "unknown" : found.architecture;
  const takers = vmmsFor(found);
  return {
    what: `${file}: ${format} for ${architecture}, which ${vmms.join(", ")} can boot`,
    isMet: form === format && machine === architecture && vmms.every((name) => takers.includes(name)),
    found: `${form} for ${machine}${takers.length === 0 ? "" : `, for ${takers.join(", ")}`}`,
  };
}
