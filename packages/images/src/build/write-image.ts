// Writes an image's files into a directory of the store, and what is said of them.

import { join } from "node:path";
import {
  type ByteSink,
  type ByteSource,
  collect,
  type FileTree,
  identifyKernel,
  maxKernelBytes,
  writeExt4,
} from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { ResolvedPackage } from "@kelpie/repositories";
import type { GuestBinaries } from "../guest/guest-binaries.ts";
import { writeInitrd } from "../initrd/initrd.ts";
import type { GuestKernel } from "../kernel/guest-kernel.ts";
import { kernelFormats } from "../kernel/read-guest-kernel.ts";
import { vmmsFor } from "../kernel/vmms.ts";
import type { ImageMetadata, KernelFileName } from "../metadata/image-metadata.ts";
import { type ImagePlan, type KelpieKernelPlan, planSha256 } from "../plan/image-plan.ts";
import { packageOwners } from "../sbom/owners.ts";
import { buildDate, type GuestPrograms } from "../rootfs/identity.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import { distributionOf } from "./distribution.ts";
import { type WrittenFile, writeImageFile } from "./file-sink.ts";
import type { BuildReporter } from "./progress.ts";

/** The name of the root file system, by which the guest finds it (docs/boot-contract.md). */
const rootLabel = "kelpie-root";
/** The version of the agent's API that these images speak. */
const guestProtocol = 1;

/** An image whose parts are all at hand. */
export interface ImageContent {
  readonly spec: ImageSpec;
  readonly plan: ImagePlan;
  readonly tree: FileTree;
  readonly packages: readonly ResolvedPackage[];
  readonly kernel: GuestKernel;
  readonly guest: GuestBinaries;
  readonly programs: GuestPrograms;
}

/** Writes `rootfs.ext4`, `vmlinuz` and its variants, and `initrd`, and returns the metadata that describes them. */
export async function writeImage(
  { files }: Pick<Platform, "files">,
  directory: string,
  content: ImageContent,
  report: BuildReporter,
  signal: AbortSignal | undefined,
): Promise<ImageMetadata> {
  const { spec, plan, tree, kernel, programs } = content;
  const { timestampSeconds } = plan.identity;
  const write = (name: string, produce: (sink: ByteSink) => Promise<unknown>): Promise<WrittenFile> =>
    writeImageFile(files, join(directory, name), produce);
  const rootfs = await report.run(
    "rootfs",
    async () => {
      const region = contentRegions(await packageOwners(tree));
      return await write("rootfs.ext4", (sink) =>
        writeExt4(tree, sink, {
          region,
          label: rootLabel,
          seed: Buffer.from(planSha256(plan), "hex"),
          timestampSeconds,
          size: spec.sizeBytes,
          freeBytes: spec.freeBytes,
          journalBytes: spec.journalBytes,
          signal,
        }),
      );
    },
    sizeText,
  );
  const vmlinuz = await write("vmlinuz", (sink) => copy(kernel.image, sink, signal));
  const variants: Partial<Record<KernelFileName, WrittenFile>> = {};
  for (const { file, image } of kernel.variants)
    variants[file] = await write(file, (sink) => copy(image, sink, signal));
  const initrd = await report.run(
    "initrd",
    () => write("initrd", (sink) => writeInitrd({ init: programs.init, kernel }, sink)),
    sizeText,
  );
  return await describe(content, { "rootfs.ext4": rootfs, vmlinuz, ...variants, initrd });
}

/** A package by its name; behind all packages what belongs to none, which every version changes. */
function contentRegions(owners: ReadonlyMap<string, string>): (path: string) => string {
  return (path) => owners.get(path) ?? "~";
}

async function describe(
  { spec, plan, tree, packages, kernel, guest }: ImageContent,
  files: ImageMetadata["files"],
): Promise<ImageMetadata> {
  const { version, gitSha } = plan.identity;
  return {
    schemaVersion: 1,
    name: spec.name,
    version,
    architecture: spec.architecture,
    buildDate: buildDate(plan.identity),
    gitSha,
    distribution: await distributionOf(tree),
    hostname: spec.hostname,
    kernel: {
      source: plan.kernel.source,
      release: kernel.release,
      packageVersion: plan.kernel.source === "path" ? "" : plan.kernel.package.version,
      format: kernel.format,
      images: await kernelImages(kernel),
      ...(kernel.mountsRoot ? { mountsRoot: true } : {}),
      ...(plan.kernel.source === "kelpie" ? { build: buildOf(plan.kernel) } : {}),
    },
    guest: {
      protocol: guestProtocol,
      agentSha256: bare(guest.digests.agent),
      initSha256: bare(guest.digests.init),
    },
    files,
    packages: packages.map(({ name, version: packageVersion, architecture, digest, license, source }) => ({
      name,
      version: packageVersion,
      architecture,
      digest,
      ...(license === undefined ? {} : { license }),
      ...(source === undefined ? {} : { source }),
    })),
    planSha256: planSha256(plan),
  };
}

/** Every form of the kernel by what its own bytes say. */
async function kernelImages(kernel: GuestKernel): Promise<NonNullable<ImageMetadata["kernel"]["images"]>> {
  const all = [{ file: "vmlinuz" as const, image: kernel.image }, ...kernel.variants];
  return await Promise.all(
    all.map(async ({ file, image }) => {
      const found = identifyKernel(await collect(image.open(), maxKernelBytes, file), file);
      if (found.kind === "zboot" || found.kind === "compressed")
        throw new KelpieError("internal", "A kernel was not unwrapped", { found: found.kind, where: file });
      return { file, format: kernelFormats[found.kind], vmms: [...vmmsFor(found)] };
    }),
  );
}

function buildOf({ package: source, config, compiler }: KelpieKernelPlan): ImageMetadata["kernel"]["build"] {
  return { source: source.digest, config, compiler: compiler.name };
}

async function copy(source: ByteSource, sink: ByteSink, signal: AbortSignal | undefined): Promise<void> {
  for await (const chunk of source.open(signal)) await sink.write(chunk);
}

function bare(digest: string): string {
  return digest.replace(/^sha256:/, "");
}

function sizeText({ sizeBytes }: WrittenFile): string {
  return `${(sizeBytes / 1e6).toFixed(1)} MB`;
}
