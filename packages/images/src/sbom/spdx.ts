// The bill of materials in SPDX 2.3, as JSON.

import { createHash } from "node:crypto";
import { canonicalJson } from "../plan/canonical-json.ts";
import type { Inventory, InventoryCrate, InventoryFile, InventoryPackage } from "./inventory.ts";
import type { LicenseReference } from "./license.ts";

const unknown = "NOASSERTION";

interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly [field: string]: unknown;
}

interface Relationship {
  readonly spdxElementId: string;
  readonly relationshipType: string;
  readonly relatedSpdxElement: string;
}

/** The bytes of an image's SPDX document; the same inventory gives the same. */
export function spdxDocument(inventory: Inventory): string {
  const { image, files, packages, kernel, programs, contents } = inventory;
  const { name, version, architecture } = image;
  const owned = filesByOwner(contents);
  const fileIds = new Map(contents.map((file, index) => [file, `SPDXRef-File-${index}`]));
  const relationships: Relationship[] = [];
  const relate = (from: string, type: string, to: string): void => {
    relationships.push({ spdxElementId: from, relationshipType: type, relatedSpdxElement: to });
  };
  const contain = (id: string, held: readonly InventoryFile[]): object => {
    for (const file of held) relate(id, "CONTAINS", fileIds.get(file) ?? "");
    return verification(held);
  };

  relate("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image");
  const all: SpdxPackage[] = [
    {
      ...common("SPDXRef-Image", name, version),
      // As the JSON Schema writes what the text of the specification writes with a hyphen.
      primaryPackagePurpose: "OPERATING_SYSTEM",
      comment: `Kelpie image for ${architecture}; sha256 of its plan: ${image.planSha256}`,
      filesAnalyzed: false,
    },
  ];
  for (const { name: file, sha256 } of files) {
    const id = `SPDXRef-${file}`;
    relate("SPDXRef-Image", "CONTAINS", id);
    all.push({
      ...common(id, file, version),
      primaryPackagePurpose: file.startsWith("vmlinu") ? "FILE" : "ARCHIVE",
      packageFileName: file,
      checksums: [checksum("SHA256", sha256)],
      ...(file === "rootfs.ext4" ? contain(id, owned.get(undefined) ?? []) : { filesAnalyzed: false }),
    });
  }
  for (const [index, each] of packages.entries()) {
    const id = `SPDXRef-Package-${index}-${safe(each.name)}`;
    relate("SPDXRef-rootfs.ext4", "CONTAINS", id);
    all.push({ ...packaged(id, each), ...contain(id, owned.get(each.name) ?? []) });
  }
  if (kernel.package !== undefined) {
    const id = `SPDXRef-Kernel-${safe(kernel.package.name)}`;
    for (const { name: file } of files)
      if (file !== "rootfs.ext4") relate(`SPDXRef-${file}`, "GENERATED_FROM", id);
    all.push({ ...packaged(id, kernel.package), filesAnalyzed: false });
  }
  const crates = new Map<string, string>();
  for (const program of programs) {
    const id = `SPDXRef-Program-${safe(program.name)}`;
    relate("SPDXRef-rootfs.ext4", "CONTAINS", id);
    if (program.name === "kelpie-init") relate("SPDXRef-initrd", "CONTAINS", id);
    all.push({
      ...common(id, program.name, program.version),
      primaryPackagePurpose: "APPLICATION",
      licenseDeclared: "Apache-2.0",
      checksums: [checksum("SHA256", program.sha256)],
      ...contain(id, owned.get(program.name) ?? []),
    });
    for (const crate of program.crates) {
      const crateId = crates.get(crate.purl) ?? `SPDXRef-Crate-${crates.size}-${safe(crate.name)}`;
      if (!crates.has(crate.purl)) all.push(crated(crateId, crate));
      crates.set(crate.purl, crateId);
      relate(id, "DEPENDS_ON", crateId);
    }
  }

  const references = licenseReferences([
    ...packages,
    ...(kernel.package === undefined ? [] : [kernel.package]),
  ]);
  return canonicalJson({
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${name}-${version}-${architecture}`,
    documentNamespace: namespace(inventory),
    creationInfo: {
      created: image.buildDate,
      creators: [`Tool: kelpie-${image.gitSha}`],
    },
    packages: all,
    files: contents.map((file) => spdxFile(fileIds.get(file) ?? "", file)),
    relationships,
    ...(references.length === 0 ? {} : { hasExtractedLicensingInfos: references }),
  });
}

/** Unlike any other image's, and the same whenever this one is built. */
function namespace({ image, files }: Inventory): string {
  const digest = createHash("sha256")
    .update(canonicalJson([image.planSha256, files]))
    .digest("hex");
  return `https://spdx.org/spdxdocs/${encodeURIComponent(`${image.name}-${image.version}-${image.architecture}`)}-${digest}`;
}

function common(id: string, name: string, version: string) {
  return {
    SPDXID: id,
    name,
    versionInfo: version,
    downloadLocation: unknown,
    licenseConcluded: unknown,
    licenseDeclared: unknown,
    copyrightText: unknown,
    supplier: unknown,
  };
}

function packaged(id: string, found: InventoryPackage): SpdxPackage {
  const { name, version, license, location, sha256, source, identity } = found;
  return {
    ...common(id, name, version),
    downloadLocation: location ?? unknown,
    licenseDeclared: license?.expression ?? unknown,
    supplier: `Organization: ${found.supplier}`,
    checksums: sha256 === undefined ? undefined : [checksum("SHA256", sha256)],
    sourceInfo: source === undefined ? undefined : `built from the source package ${source}`,
    comment: identity === undefined ? undefined : `checksum in the signed index: ${identity}`,
    externalRefs: [purlReference(found.purl)],
  };
}

function crated(id: string, { name, version, purl, sha256 }: InventoryCrate): SpdxPackage {
  return {
    ...common(id, name, version),
    downloadLocation: unknown,
    primaryPackagePurpose: "LIBRARY",
    checksums: [checksum("SHA256", sha256)],
    externalRefs: [purlReference(purl)],
    filesAnalyzed: false,
  };
}

function spdxFile(id: string, { path, sha1, sha256 }: InventoryFile): object {
  return {
    SPDXID: id,
    fileName: `.${path}`,
    checksums: [checksum("SHA1", sha1), checksum("SHA256", sha256)],
  };
}

/** SPDX 2.3, clause 7.9: the SHA-1 of all files' SHA-1s in their order. */
function verification(held: readonly InventoryFile[]): object {
  if (held.length === 0) return { filesAnalyzed: false };
  const all = held.map(({ sha1 }) => sha1).sort();
  const code = createHash("sha1").update(all.join("")).digest("hex");
  return { filesAnalyzed: true, packageVerificationCode: { packageVerificationCodeValue: code } };
}

function licenseReferences(packages: readonly InventoryPackage[]): readonly object[] {
  const all = packages.flatMap(({ license }) => license?.references ?? []);
  const distinct = new Map<string, LicenseReference>(all.map((each) => [each.id, each]));
  return [...distinct.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, name, text }) => ({ licenseId: id, name, extractedText: text }));
}

function filesByOwner(
  contents: readonly InventoryFile[],
): ReadonlyMap<string | undefined, readonly InventoryFile[]> {
  return Map.groupBy(contents, ({ owner }) => owner);
}

function checksum(algorithm: "SHA1" | "SHA256", checksumValue: string): object {
  return { algorithm, checksumValue };
}

function purlReference(purl: string): object {
  return { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl };
}

/** Only letters, digits, dots and hyphens may be in an SPDX identifier. */
function safe(name: string): string {
  return name.replace(/[^A-Za-z0-9.-]/g, "-");
}
