// A lock: what a spec's names came to when they were looked up, so that later builds take the same.

import { createHash } from "node:crypto";
import { type Architecture, KelpieError } from "@kelpie/platform";
import type { ResolvedPackage } from "@kelpie/repositories";
import { parse, stringify } from "yaml";
import { z } from "zod";
import type { ImageSpec } from "../spec/image-spec.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { ImagePlan, KernelBuildPlan } from "./image-plan.ts";

/** Largest lock that is read. */
export const maxLockBytes = 32 << 20;

const text = z.string().max(4096);
const sha256 = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const lockedPackage = z.strictObject({
  ecosystem: z.enum(["alpine", "debian"]),
  name: text,
  version: text,
  architecture: z.enum(["amd64", "arm64"]),
  location: text,
  sizeBytes: z.number().int().nonnegative(),
  digest: text,
  source: text.optional(),
  license: text.optional(),
});

const lockedImage = z.strictObject({
  /** Of all in the spec that decides which packages are taken. */
  requestSha256: z.string().regex(/^[0-9a-f]{64}$/),
  base: z.strictObject({ location: text, sha512: z.string().regex(/^[0-9a-f]{128}$/) }).optional(),
  packages: z.array(lockedPackage).max(100_000),
  /** Absent for a kernel of the host. Of a kernel that is compiled, its source. */
  kernel: lockedPackage.optional(),
  /** Of a kernel that is compiled, what with. */
  kernelBuild: z
    .strictObject({ config: sha256, compiler: z.strictObject({ name: text, identity: sha256 }) })
    .optional(),
  guest: z.strictObject({ init: sha256, agent: sha256 }),
});

const lockSchema = z.strictObject({
  lockVersion: z.literal(1),
  architectures: z.strictObject({ amd64: lockedImage.optional(), arm64: lockedImage.optional() }),
});

/** What is locked of one architecture's image. */
export interface LockedImage {
  readonly requestSha256: string;
  readonly base: { readonly location: string; readonly sha512: string } | undefined;
  readonly packages: readonly ResolvedPackage[];
  readonly kernel: ResolvedPackage | undefined;
  readonly kernelBuild?: KernelBuildPlan | undefined;
  readonly guest: { readonly init: string; readonly agent: string };
}

/** A spec's lock. An architecture that was never locked is absent. */
export type ImageLock = Readonly<Partial<Record<Architecture, LockedImage>>>;

/** Where the lock of a spec stands: beside it, `x.lock.yaml` for `x.yaml`. */
export function lockPath(specPath: string): string {
  return specPath.replace(/(\.ya?ml)?$/, ".lock.yaml");
}

/** What is locked of a planned image. */
export function lockPlan(spec: ImageSpec, plan: ImagePlan): LockedImage {
  const { base, packages, kernel, guest } = plan;
  return {
    requestSha256: requestSha256(spec),
    base,
    packages,
    kernel: kernel.source === "path" ? undefined : kernel.package,
    ...(kernel.source === "kelpie"
      ? { kernelBuild: { config: kernel.config, compiler: kernel.compiler } }
      : {}),
    guest,
  };
}

/**
 * A digest of the part of a spec that decides which packages are taken: a lock holds for as long as this is the same,
 * whatever changes in its files, users and settings.
 */
export function requestSha256(spec: ImageSpec): string {
  const { architecture, distribution, packages, assume, base, kernel, repositories } = spec;
  const request = {
    architecture,
    distribution,
    packages,
    assume,
    base: base?.sha512,
    // What lies in the host's files is held against its digests.
    kernel: kernel.source === "path" || kernel.source === "kelpie" ? kernel.source : kernel,
    repositories,
  };
  return createHash("sha256").update(canonicalJson(request)).digest("hex");
}

/** The text of a lock. */
export function lockText(lock: ImageLock): string {
  const head =
    "# What the names in the spec came to. Written by `kelpie images lock`: edit the spec instead.\n";
  const value: unknown = JSON.parse(canonicalJson({ lockVersion: 1, architectures: lock }));
  return head + stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/**
 * Reads a lock.
 *
 * @throws KelpieError `malformed` naming the field.
 */
export function parseLock(lock: string, where: string): ImageLock {
  let value: unknown;
  try {
    value = parse(lock, { maxAliasCount: 0, logLevel: "error" });
  } catch (cause) {
    throw new KelpieError("malformed", "The lock is not valid YAML", { where, cause });
  }
  const result = lockSchema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new KelpieError("malformed", "The lock is not as expected", {
      where,
      found:
        issue === undefined
          ? "an unknown problem"
          : `${issue.path.join(".") || "the document"}: ${issue.message}`,
      help: "Write it again: kelpie images lock",
    });
  }
  const { amd64, arm64 } = result.data.architectures;
  return {
    ...(amd64 === undefined ? {} : { amd64: locked(amd64) }),
    ...(arm64 === undefined ? {} : { arm64: locked(arm64) }),
  };
}

/**
 * The lock's part for a spec.
 *
 * @throws KelpieError `invalid-input` where the lock does not have the architecture or was made for another request.
 */
export function lockedFor(lock: ImageLock, spec: ImageSpec, where: string): LockedImage {
  const image = lock[spec.architecture];
  const help = "Write it again: kelpie images lock";
  if (image === undefined) {
    throw new KelpieError("invalid-input", `The lock has nothing for ${spec.architecture}`, { where, help });
  }
  if (image.requestSha256 !== requestSha256(spec)) {
    throw new KelpieError("invalid-input", "The lock was made before the spec asked for other packages", {
      where,
      help,
    });
  }
  return image;
}

function locked({ base, kernel, kernelBuild, packages, ...image }: z.infer<typeof lockedImage>): LockedImage {
  return {
    ...image,
    base,
    packages: packages.map(resolved),
    kernel: kernel === undefined ? undefined : resolved(kernel),
    ...(kernelBuild === undefined ? {} : { kernelBuild }),
  };
}

function resolved({ source, license, ...required }: z.infer<typeof lockedPackage>): ResolvedPackage {
  return {
    ...required,
    ...(source === undefined ? {} : { source }),
    ...(license === undefined ? {} : { license }),
  };
}
