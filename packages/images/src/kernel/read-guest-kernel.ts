// Takes out of a distribution's kernel package what a VM needs of it.

import {
  baseName,
  bytesSource,
  collect,
  identifyKernel,
  maxKernelBytes,
  type TreeEntry,
  unwrapKernel,
} from "@kelpie/formats";
import { type Architecture, KelpieError } from "@kelpie/platform";
import type { PackageArchive } from "@kelpie/repositories";
import type { GuestKernel, KernelFormat, ModuleLine } from "./guest-kernel.ts";
import { ModuleIndex } from "./module-index.ts";
import { type ModuleOrder, orderModules } from "./module-order.ts";
import { requiredModules, wantedModules } from "./wanted-modules.ts";

/** A kernel's files, wherever they come from. */
export interface KernelFiles {
  readonly architecture: Architecture;
  /** `boot/vmlinuz…` and `lib/modules/<release>/…`. */
  readonly entries: readonly TreeEntry[];
  /** For messages: the package or directory. */
  readonly where: string;
}

/** What metadata.json calls the forms that a VMM boots. */
export const kernelFormats = {
  bzimage: "bzImage",
  "arm64-image": "Image",
  elf: "vmlinux",
} as const satisfies Record<string, KernelFormat>;

const imageName = /^(?:boot|lib\/modules\/[^/]+)\/(?:vmlinuz|vmlinux|Image|bzImage)[^/]*$/;

/** As {@link kernelFromFiles}, of a package: Debian's `linux-image-…`, Alpine's `linux-virt`. */
export function readGuestKernel(
  archive: Pick<PackageArchive, "package" | "entries">,
  signal?: AbortSignal,
): Promise<GuestKernel> {
  const { architecture, name, version } = archive.package;
  return kernelFromFiles({ architecture, entries: archive.entries, where: `${name} ${version}` }, signal);
}

/**
 * The kernel image, unwrapped to the form that a VMM boots, and the modules that a VM needs, in the order of loading: wanted
 * drivers with all that they depend on, as the modules themselves say it.
 *
 * @throws KelpieError `not-found` (no image or no release directory, or more than one), `unsupported` (an image for another
 * machine, or without the drivers that a VM cannot do without), `unresolvable`, `malformed`, `limit-exceeded`.
 */
export async function kernelFromFiles(
  { architecture, entries, where }: KernelFiles,
  signal?: AbortSignal,
): Promise<GuestKernel> {
  const directory = only(releaseDirectories(entries), "directory lib/modules/<release>", where);
  const release = baseName(directory);
  const index = new ModuleIndex(entries, directory, signal);
  const order = await orderModules(index, wantedModules);
  requireDrivers(order, where);
  const modules: ModuleLine[] = [];
  for (const { when, name } of order.lines) modules.push({ when, module: await index.module(name) });
  const { image, format } = await bootableImage({ architecture, entries, where }, release, signal);
  const { builtIn, absent } = order;
  return { architecture, release, image, format, variants: [], mountsRoot: false, modules, builtIn, absent };
}

function releaseDirectories(entries: readonly TreeEntry[]): string[] {
  const found = entries.flatMap(({ path }) => /^(?:usr\/)?lib\/modules\/[^/]+(?=\/)/.exec(path)?.[0] ?? []);
  return [...new Set(found)];
}

function requireDrivers({ lines, builtIn }: ModuleOrder, where: string): void {
  const present = new Set([...lines.map(({ name }) => name), ...builtIn]);
  for (const alternatives of requiredModules) {
    if (alternatives.some((name) => present.has(name))) continue;
    throw new KelpieError("unsupported", "This kernel cannot run in a VM of Kelpie", {
      expected: `${alternatives.join(" or ")}, as a module or built in`,
      found: "neither",
      where,
    });
  }
}

async function bootableImage(
  { architecture, entries, where }: KernelFiles,
  release: string,
  signal: AbortSignal | undefined,
): Promise<Pick<GuestKernel, "image" | "format">> {
  const images = entries.filter(({ path, node }) => node.kind === "file" && imageName.test(path));
  const named = images.filter(({ path }) => path.endsWith(`-${release}`));
  const path = only(
    (named.length > 0 ? named : images).map((entry) => entry.path),
    "kernel image in boot/",
    where,
  );
  const node = images.find((entry) => entry.path === path)?.node;
  if (node?.kind !== "file") throw new KelpieError("internal", "A kernel image was found and lost");
  const packed = await collect(node.content.open(signal), maxKernelBytes, path);
  const bytes = await unwrapKernel(packed, path);
  const image = identifyKernel(bytes, path);
  if (image.kind === "compressed" || image.kind === "zboot" || image.architecture !== architecture) {
    throw new KelpieError("unsupported", "A kernel image is not for this machine", {
      expected: architecture,
      found: image.kind === "compressed" ? image.kind : `${image.kind} for ${image.architecture}`,
      where: `${where}, ${path}`,
    });
  }
  return { image: bytesSource(bytes), format: kernelFormats[image.kind] };
}

function only(found: readonly string[], what: string, where: string): string {
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  throw new KelpieError("not-found", "A kernel package is not as it should be", {
    expected: `one ${what}`,
    found: first === undefined ? "none" : found.join(", "),
    where,
  });
}
