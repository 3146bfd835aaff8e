// What a sandbox is made with where its creator does not say: this machine, its KELPIE_HOME, the latest image, QEMU.

import { type Architecture, KelpieError, kelpieHome, type Platform, realPlatform } from "@kelpie/platform";
import type { LeaseOptions, StoredImage, TransferProgress } from "@kelpie/images";
import { openVmm } from "../vmm/backends.ts";
import type { VmmChoice } from "../vmm/capabilities.ts";
import type { OpenBackendOptions } from "../vmm/backend.ts";
import type { BootImage, Vmm } from "../vmm/vmm.ts";
import type { SandboxImage } from "./sandbox-record.ts";

/** Where a sandbox is made, and from what. */
export interface SandboxSource {
  /** This machine when absent. */
  readonly platform?: Platform;
  /** KELPIE_HOME; the environment's, or `~/.kelpie`, when absent. */
  readonly home?: string;
  /**
   * An image by its reference (a version, the beginning of one, a tag, a name, `latest`, a registry's `host/name:tag`),
   * fetched where the store does not have it; or one of the store; or files. The latest when absent.
   */
  readonly image?: string | StoredImage | BootImage;
  /** Of the image, where that is named. This machine's when absent. */
  readonly architecture?: Architecture;
  /** A monitor, or which: `qemu`, or `auto`. KELPIE_VMM in the environment, or `auto`, when absent (docs/backends.md). */
  readonly vmm?: Vmm | VmmChoice;
  /** Told what a person should know, once: that guests are emulated, and why. */
  readonly onNotice?: (notice: string) => void;
  /** Told how far an image is that must be fetched first, by us or by another process that is at it. */
  readonly onFetch?: (progress: TransferProgress) => void;
}

/** A source with nothing left out. */
export interface ResolvedSource {
  readonly platform: Platform;
  readonly home: string;
  readonly image: BootImage;
  readonly imageRecord: SandboxImage;
  /** Keeps an image of the store from being removed; nothing for loose files. */
  lease(options: LeaseOptions): Promise<AsyncDisposable>;
  readonly vmm: Vmm;
}

/** Fills in what is absent. `not-found` without an image, `missing-tool` without a monitor. */
export async function resolveSource(source: SandboxSource, signal: AbortSignal): Promise<ResolvedSource> {
  const { platform = realPlatform, image = "latest" } = source;
  const { home = kelpieHome(platform.host) } = source;
  const found = await findSource(platform, home, image, source, signal);
  const { architecture } = found.image;
  const vmm = await monitorOf(source, platform, { architecture, home, signal });
  return { platform, home, vmm, ...found };
}

async function monitorOf(
  { vmm: wanted, onNotice }: SandboxSource,
  platform: Platform,
  options: OpenBackendOptions,
): Promise<Vmm> {
  if (typeof wanted === "object") return wanted;
  const vmm = await openVmm(platform, { ...options, ...(wanted === undefined ? {} : { vmm: wanted }) });
  if (vmm.notice !== undefined) onNotice?.(vmm.notice);
  return vmm;
}

/** An image, what is written down of it, and how it is kept while it is in use. */
export type FoundImage = Pick<ResolvedSource, "image" | "imageRecord" | "lease">;

async function findSource(
  platform: Platform,
  home: string,
  image: string | StoredImage | BootImage,
  { architecture = platform.host.architecture, onFetch }: SandboxSource,
  signal: AbortSignal,
): Promise<FoundImage> {
  if (typeof image !== "string" && "rootfs" in image) return loose(image);
  // Loaded only here: whoever brings files, or opens a sandbox that runs, needs no store.
  const { namedImage, storedImage } = await import("./stored-image.ts");
  if (typeof image !== "string") return storedImage(platform, home, image);
  if (architecture === undefined) {
    throw new KelpieError("unsupported", "Kelpie makes no images for this machine's architecture", {
      help: 'Say which to emulate: architecture: "amd64" or "arm64".',
    });
  }
  return await namedImage(platform, { home, reference: image, architecture, signal, onProgress: onFetch });
}

const nothing: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

function loose(image: BootImage): FoundImage {
  const { architecture } = image;
  const imageRecord = { name: "", version: "", directory: "", architecture };
  return { image, imageRecord, lease: () => Promise.resolve(nothing) };
}
