// What a sandbox is made with where its creator does not say: this machine, its KELPIE_HOME, the latest image, QEMU.

import { join } from "node:path";
import { type Architecture, KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage, Vmm } from "../vmm/vmm.ts";
import type { SandboxImage } from "./sandbox-record.ts";

/** Where a sandbox is made, and from what. */
export interface SandboxSource {
  /** This machine when absent. */
  readonly platform?: Platform;
  /** KELPIE_HOME; the environment's, or `~/.kelpie`, when absent. */
  readonly home?: string;
  /** An image of the store (a version, the beginning of one, a name, `latest`), or files. The latest when absent. */
  readonly image?: string | BootImage;
  /** Of the image, where that is named. This machine's when absent. */
  readonly architecture?: Architecture;
  /** QEMU when absent. */
  readonly vmm?: Vmm;
}

/** A source with nothing left out. */
export interface ResolvedSource {
  readonly platform: Platform;
  readonly home: string;
  readonly image: BootImage;
  readonly imageRecord: SandboxImage;
  readonly vmm: Vmm;
}

/** `home`, or the KELPIE_HOME of the environment. */
export function homeOf({ host }: Pick<Platform, "host">, home: string | undefined): string {
  const { environment, homeDirectory } = host;
  const configured = environment["KELPIE_HOME"] ?? "";
  return home ?? (configured === "" ? join(homeDirectory, ".kelpie") : configured);
}

/** Fills in what is absent. `not-found` without an image, `missing-tool` without QEMU. */
export async function resolveSource(source: SandboxSource, signal: AbortSignal): Promise<ResolvedSource> {
  const { platform = realPlatform, image = "latest" } = source;
  const home = homeOf(platform, source.home);
  const found = typeof image === "string" ? await storedImage(platform, home, image, source) : loose(image);
  const { architecture } = found.image;
  const vmm = source.vmm ?? (await openQemu(platform, { architecture, home, signal }));
  return { platform, home, vmm, ...found };
}

type FoundImage = Pick<ResolvedSource, "image" | "imageRecord">;

function loose(image: BootImage): FoundImage {
  const { architecture } = image;
  return { image, imageRecord: { name: "", version: "", directory: "", architecture } };
}

async function storedImage(
  platform: Platform,
  home: string,
  reference: string,
  { architecture = platform.host.architecture }: SandboxSource,
): Promise<FoundImage> {
  if (architecture === undefined) {
    throw new KelpieError("unsupported", "Kelpie makes no images for this machine's architecture", {
      help: 'Say which to emulate: architecture: "amd64" or "arm64".',
    });
  }
  // Loaded only here: whoever brings files of their own, or opens a sandbox that runs, needs no store.
  const { findImage, formatImageVersion, imageFile, ImageStore } = await import("@kelpie/images");
  const { images } = await new ImageStore(platform, home).list();
  const stored = findImage(images, reference, architecture);
  return {
    image: {
      architecture,
      rootfs: imageFile(stored, "rootfs.ext4"),
      kernel: imageFile(stored, "vmlinuz"),
      initrd: imageFile(stored, "initrd"),
      digests: {
        rootfs: stored.files["rootfs.ext4"].sha256,
        kernel: stored.files.vmlinuz.sha256,
        initrd: stored.files.initrd.sha256,
      },
    },
    imageRecord: {
      name: stored.name,
      version: formatImageVersion(stored.version),
      directory: stored.directory,
      architecture,
    },
  };
}
