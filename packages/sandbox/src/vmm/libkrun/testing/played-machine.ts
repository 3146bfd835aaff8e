// A libkrun monitor whose library is played, and an image that nothing boots.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Platform, realPlatform } from "@kelpie/platform";
import { elfFile } from "../../../../../formats/src/testing/elf-files.ts";
import { arm64Image } from "../../../../../formats/src/testing/kernel-images.ts";
import type { BootImage } from "../../vmm.ts";
import { LibkrunVmm } from "../libkrun-vmm.ts";
import { compilePlayedLibkrun, type PlayedLibkrun } from "./played-libkrun.ts";

/** All of it, in a directory that goes with it. */
export interface PlayedMonitor extends AsyncDisposable {
  readonly vmm: LibkrunVmm;
  readonly image: BootImage;
  readonly library: PlayedLibkrun;
  readonly directory: string;
}

/** The platform may be a test's own. */
export async function playMonitor(platform: Platform = realPlatform): Promise<PlayedMonitor> {
  const { path: directory, ...rest } = await realPlatform.files.temporaryDirectory("kelpie-krun-");
  const library = compilePlayedLibkrun(directory);
  const home = join(directory, "home");
  const images = join(directory, "image");
  mkdirSync(images);
  const architecture = platform.host.architecture ?? "amd64";
  const vmlinux = elfFile({ type: 2, machine: 62, segments: [{ type: 1, content: Buffer.alloc(5000) }] });
  const contents = {
    rootfs: Buffer.alloc(1 << 20, "root"),
    kernel: architecture === "amd64" ? vmlinux : arm64Image(),
    initrd: Buffer.alloc(512),
  };
  const image = { architecture, rootfs: "", kernel: "", initrd: "" };
  for (const name of ["rootfs", "kernel", "initrd"] as const) {
    image[name] = join(images, name);
    writeFileSync(image[name], contents[name], { mode: 0o444 });
  }
  const vmm = new LibkrunVmm(platform, { library: library.path, file: library.path }, home);
  return { vmm, image, library, directory, [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose]() };
}
