// From what a build has at hand to the value that bills of materials are written from.

import type { FileTree } from "@kelpie/formats";
import { alpineMachines, type ResolvedPackage } from "@kelpie/repositories";
import { imageFiles, type ImageMetadata } from "../metadata/image-metadata.ts";
import type { KernelPlan } from "../plan/image-plan.ts";
import { readText } from "../rootfs/image-tree.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import { cargoProgram } from "./cargo-lock.ts";
import { contentDigests } from "./content-digests.ts";
import { debianLicense } from "./debian-copyright.ts";
import type { Inventory, InventoryFile, InventoryPackage, InventoryProgram } from "./inventory.ts";
import { type License, parseLicense } from "./license.ts";
import { packageOwners } from "./owners.ts";
import { packageUrl } from "./package-url.ts";
import { publicLocation } from "./public-location.ts";

const maxCopyrightBytes = 8 << 20;

/** What a build knows of an image whose files are written. */
export interface InventoryParts {
  readonly metadata: ImageMetadata;
  readonly spec: Pick<ImageSpec, "repositories" | "base">;
  /** The finished root file system. */
  readonly tree: FileTree;
  readonly packages: readonly ResolvedPackage[];
  readonly kernel: KernelPlan;
  /** "sha256:…" of a package's archive as it lies in the cache; undefined where none lies there. */
  readonly archiveDigest: (chosen: ResolvedPackage) => Promise<string | undefined>;
  /** guest/Cargo.lock. */
  readonly cargoLock: string;
  readonly signal: AbortSignal | undefined;
}

/** Reads every file of the tree. @throws KelpieError `malformed` (Cargo.lock, a package database), `cancelled`. */
export async function takeInventory(parts: InventoryParts): Promise<Inventory> {
  const { metadata, tree, packages, kernel, signal } = parts;
  const digested = await contentDigests(tree, signal);
  const owners = await packageOwners(tree);
  const programs = guestPrograms(parts.cargoLock, metadata.guest);
  const ownerOf = (path: string, sha256: string): string | undefined =>
    programs.find((program) => program.sha256 === sha256)?.name ?? owners.get(path);
  const contents = digested.map(
    ({ path, sizeBytes, sha1, sha256 }): InventoryFile => ({
      path: `/${path}`,
      sizeBytes,
      sha1,
      sha256,
      owner: ownerOf(path, sha256),
    }),
  );
  const described: InventoryPackage[] = [];
  for (const each of packages) described.push(await describe(parts, each));
  return {
    image: metadata,
    files: imageFiles(metadata),
    packages: described,
    kernel: {
      release: metadata.kernel.release,
      package: kernel.source === "path" ? undefined : await describe(parts, kernel.package),
    },
    programs,
    contents,
  };
}

async function describe(parts: InventoryParts, chosen: ResolvedPackage): Promise<InventoryPackage> {
  const { name, version, digest, source } = chosen;
  const isAlpine = chosen.ecosystem === "alpine";
  const archive = digest.startsWith("sha256:") ? digest : await parts.archiveDigest(chosen);
  return {
    name,
    version,
    purl: packageUrl({
      type: isAlpine ? "apk" : "deb",
      namespace: chosen.ecosystem,
      name,
      version,
      qualifiers: {
        arch: isAlpine ? alpineMachines[chosen.architecture] : chosen.architecture,
        distro: distro(parts, chosen),
      },
    }),
    license: await licenseOf(parts.tree, chosen),
    supplier: isAlpine ? "Alpine Linux" : "Debian",
    source,
    location: publicLocation(chosen, parts.spec),
    sha256: archive?.replace("sha256:", ""),
    identity: isAlpine ? digest.replace("apk-c:", "") : undefined,
  };
}

/** "debian-12", as scanners look for it; the release's name for a package that is not of the image's distribution. */
function distro({ metadata, spec }: InventoryParts, { ecosystem }: ResolvedPackage): string | undefined {
  const { id, version } = metadata.distribution;
  if (id === ecosystem) return `${id}-${version}`;
  return ecosystem === "debian" ? spec.repositories.debian?.release : undefined;
}

/** An apk states its licence itself; Debian's stand in the tree. */
async function licenseOf(tree: FileTree, { name, license }: ResolvedPackage): Promise<License | undefined> {
  if (license !== undefined) return parseLicense(license);
  const copyright = await readText(tree, `/usr/share/doc/${name}/copyright`, maxCopyrightBytes);
  return copyright === undefined ? undefined : debianLicense(copyright);
}

function guestPrograms(
  cargoLock: string,
  { initSha256, agentSha256 }: ImageMetadata["guest"],
): readonly InventoryProgram[] {
  const where = "guest/Cargo.lock";
  return [
    { ...cargoProgram(cargoLock, "kelpie-init", where), path: "/sbin/init", sha256: initSha256 },
    {
      ...cargoProgram(cargoLock, "kelpie-guest", where),
      path: "/usr/local/bin/kelpie-guest",
      sha256: agentSha256,
    },
  ];
}
