// Where an image comes from: an in-toto statement v1 with a SLSA provenance v1 predicate (docs/sbom-and-provenance.md).

import { createHash } from "node:crypto";
import { canonicalJson } from "../plan/canonical-json.ts";
import { type HostFile, type ImagePlan, planSha256, planWithoutLocations } from "../plan/image-plan.ts";
import { requestSha256 } from "../plan/lock.ts";
import type { Inventory, InventoryPackage } from "../sbom/inventory.ts";
import type { ImageSpec } from "../spec/image-spec.ts";

export const buildType = "https://kelpie.dev/build-types/image/v1";
const builderId = "https://kelpie.dev/builders/images-build/v1";

/** All that a statement says; it holds nothing of the machine that built. */
export interface ProvenanceParts {
  readonly spec: ImageSpec;
  readonly plan: ImagePlan;
  readonly inventory: Inventory;
  /** The files that the statement is about, with their digests in hexadecimal. */
  readonly subjects: readonly { readonly name: string; readonly sha256: string }[];
  /** guest/Cargo.lock. */
  readonly cargoLock: string;
}

/** in-toto's ResourceDescriptor. */
interface Resource {
  readonly name: string;
  readonly uri?: string | undefined;
  readonly downloadLocation?: string | undefined;
  readonly digest: Readonly<Record<string, string>>;
}

/** The bytes of the statement, which a signature envelope takes as they are. The same build gives the same. */
export function provenanceStatement(parts: ProvenanceParts): string {
  const { spec, plan, inventory, subjects, cargoLock } = parts;
  const { name, version, architecture, buildDate, gitSha } = inventory.image;
  return canonicalJson({
    _type: "https://in-toto.io/Statement/v1",
    subject: subjects.map((subject) => ({ name: subject.name, digest: { sha256: subject.sha256 } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType,
        externalParameters: {
          name,
          version,
          architecture,
          spec: { sha256: specSha256(spec, plan) },
          lock: { sha256: lockSha256(spec, plan) },
        },
        internalParameters: {
          planSha256: planSha256(plan),
          sourceDateEpoch: plan.identity.timestampSeconds,
        },
        resolvedDependencies: dependencies(spec, plan, inventory, cargoLock),
      },
      runDetails: {
        builder: { id: builderId, version: { kelpie: gitSha } },
        metadata: {
          invocationId: planSha256(plan),
          startedOn: buildDate,
          finishedOn: buildDate,
        },
        byproducts: inventory.programs.map((program) => ({
          name: program.name,
          digest: { sha256: program.sha256 },
        })),
      },
    },
  });
}

/** What the spec says once everything that it extends is merged in, with host files by what they hold. */
function specSha256(spec: ImageSpec, plan: ImagePlan): string {
  return sha256(
    canonicalJson({ request: requestSha256(spec), settings: plan.settings, hostFiles: plan.hostFiles }),
  );
}

/** What the names in the spec came to. Whether a lock file said so or a lookup makes no difference. */
function lockSha256(spec: ImageSpec, plan: ImagePlan): string {
  const { base, packages, kernel, guest } = planWithoutLocations(plan);
  return sha256(canonicalJson({ request: requestSha256(spec), base, packages, kernel, guest }));
}

function dependencies(
  spec: ImageSpec,
  plan: ImagePlan,
  inventory: Inventory,
  cargoLock: string,
): readonly Resource[] {
  const { base, identity, kernel } = plan;
  const hostFiles = kernel.source === "path" ? [...kernel.files, ...plan.hostFiles] : plan.hostFiles;
  const kernelPackage = inventory.kernel.package;
  return [
    { name: "kelpie", digest: { gitCommit: identity.gitSha } },
    ...(base === undefined ? [] : [{ name: "base", uri: spec.base?.url, digest: { sha512: base.sha512 } }]),
    ...inventory.packages.flatMap(packageResource),
    ...(kernelPackage === undefined ? [] : packageResource(kernelPackage)),
    ...(kernel.source === "kelpie"
      ? [{ name: "kernel configuration", digest: { sha256: kernel.config.replace("sha256:", "") } }]
      : []),
    { name: "guest/Cargo.lock", digest: { sha256: sha256(cargoLock) } },
    ...hostFiles.flatMap(hostResource),
  ];
}

/** Nothing for a package of a base tarball: its archive is no part of this build. */
function packageResource({ name, purl, location, sha256: digest }: InventoryPackage): Resource[] {
  return digest === undefined
    ? []
    : [{ name, uri: purl, downloadLocation: location, digest: { sha256: digest } }];
}

/** Links and directories hold nothing that has a digest; the plan's digest covers them. */
function hostResource({ role, content }: HostFile): Resource[] {
  const digest = /^sha256:([0-9a-f]{64})$/.exec(content)?.[1];
  return digest === undefined ? [] : [{ name: role, digest: { sha256: digest } }];
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
