// A plan: everything that an image is made of, by digest, before any of it is put together.
// The same spec, repositories, guest programs and identity give the same text on every machine and day.

import { createHash } from "node:crypto";
import type { ResolvedPackage } from "@kelpie/repositories";
import type { Architecture } from "@kelpie/platform";
import type { KernelCompiler } from "../kernel/build/ingredients.ts";
import type { ImageIdentity } from "../rootfs/identity.ts";
import type { ImageSpec, InitOptions } from "../spec/image-spec.ts";
import type { FileSpec } from "../spec/schema.ts";
import { canonicalJson } from "./canonical-json.ts";

/** Where the kernel of an image comes from. */
export type KernelPlan =
  | { readonly source: "alpine" | "debian"; readonly package: ResolvedPackage }
  | KelpieKernelPlan
  | { readonly source: "path"; readonly files: readonly HostFile[] };

/** What decides the bytes of a compiled kernel beside its source. */
export interface KernelBuildPlan {
  /** "sha256:…" of its options. */
  readonly config: string;
  readonly compiler: KernelCompiler;
}

/** Kelpie's own kernel: `package` is the source that it is compiled from. */
export interface KelpieKernelPlan extends KernelBuildPlan {
  readonly source: "kelpie";
  readonly package: ResolvedPackage;
}

/** A file of the host that goes into the image: where it will stand, and what it holds. */
export interface HostFile {
  /** "overlay 0: etc/motd" or "file: /etc/motd". */
  readonly role: string;
  /** "sha256:…", or for a symlink "link:<target>". */
  readonly content: string;
  readonly executable: boolean;
}

/** All that decides an image's bytes. */
export interface ImagePlan {
  readonly formatVersion: 1;
  readonly architecture: Architecture;
  readonly identity: ImageIdentity;
  readonly base: { readonly location: string; readonly sha512: string } | undefined;
  /** In the order in which they are unpacked. */
  readonly packages: readonly ResolvedPackage[];
  readonly kernel: KernelPlan;
  /** "sha256:…" of the guest's programs. */
  readonly guest: { readonly init: string; readonly agent: string };
  readonly hostFiles: readonly HostFile[];
  /** The rest of the spec: what it says by itself, without files of the host. */
  readonly settings: PlanSettings;
}

type PlanSettings = Pick<
  ImageSpec,
  | "name"
  | "description"
  | "distribution"
  | "repositories"
  | "users"
  | "groups"
  | "environment"
  | "hostname"
  | "sizeBytes"
  | "freeBytes"
  | "journalBytes"
  | "scripts"
> & {
  readonly files: Readonly<Record<string, FileSpec>>;
  /** Absent where the spec asks for nothing of it. */
  readonly init: InitOptions | undefined;
};

/** What {@link createPlan} puts together. */
export interface PlanParts extends Omit<ImagePlan, "formatVersion" | "architecture" | "settings" | "base"> {
  readonly spec: ImageSpec;
}

/** The plan for a spec whose sources are resolved. */
export function createPlan({ spec, identity, packages, kernel, guest, hostFiles }: PlanParts): ImagePlan {
  const { name, description, distribution, repositories, users, groups, environment, hostname } = spec;
  const { sizeBytes, freeBytes, journalBytes, scripts, architecture, base } = spec;
  return {
    formatVersion: 1,
    architecture,
    identity,
    base: base === undefined ? undefined : { location: base.tarball, sha512: base.sha512 },
    packages,
    kernel,
    guest,
    hostFiles,
    settings: {
      name,
      description,
      distribution,
      repositories,
      users,
      groups,
      environment,
      hostname,
      sizeBytes,
      freeBytes,
      journalBytes,
      scripts,
      init: settledInit(spec.init),
      files: Object.fromEntries(
        Object.entries(spec.files).map(([path, file]) => [path, withoutSource(file)]),
      ),
    },
  };
}

/** The plan as text, for people and for files. */
export function planText(plan: ImagePlan): string {
  return canonicalJson(plan, "  ");
}

/**
 * What identifies an image's content: a digest of the plan without the places that things are fetched from, since a mirror
 * does not change what a digest names. In hexadecimal.
 */
export function planSha256(plan: ImagePlan): string {
  return createHash("sha256")
    .update(canonicalJson(planWithoutLocations(plan)))
    .digest("hex");
}

/** A plan without the places that things are fetched from. */
export function planWithoutLocations(plan: ImagePlan) {
  const { base, packages, kernel, settings, ...rest } = plan;
  return {
    ...rest,
    base: base?.sha512,
    packages: packages.map(withoutLocation),
    kernel: kernel.source === "path" ? kernel : { ...kernel, package: withoutLocation(kernel.package) },
    // The repositories that the guest's package manager will use are in the image, so the spec's words for them count.
    settings,
  };
}

function withoutLocation({
  location: _location,
  ...rest
}: ResolvedPackage): Omit<ResolvedPackage, "location"> {
  return rest;
}

function settledInit({ services, mounts }: InitOptions): InitOptions | undefined {
  if (services.length === 0 && mounts.length === 0) return undefined;
  return {
    services: services.map((service) => ("source" in service ? { ...service, source: "" } : service)),
    mounts,
  };
}

/** What a file holds is among the host's files, by its digest. */
function withoutSource(file: FileSpec): FileSpec {
  return "source" in file ? { ...file, source: "" } : file;
}
