// The bill of materials in CycloneDX 1.6, as JSON.

import { createHash } from "node:crypto";
import { canonicalJson } from "../plan/canonical-json.ts";
import type { Inventory, InventoryCrate, InventoryFile, InventoryPackage } from "./inventory.ts";

/** The bytes of an image's CycloneDX document; the same inventory gives the same. */
export function cycloneDxDocument(inventory: Inventory): string {
  const { image, files, packages, kernel, programs, contents } = inventory;
  const owned = Map.groupBy(contents, ({ owner }) => owner);
  const crates = new Map(
    programs.flatMap((program) => program.crates.map((crate) => [crate.purl, crate] as const)),
  );
  const kernelPackage = kernel.package;
  const refs = new Set(packages.map(({ purl }) => purl));
  const all = [
    ...packages.map((each) => packaged(each, owned.get(each.name) ?? [])),
    // A kernel that is installed as a package too is there already.
    ...(kernelPackage === undefined || refs.has(kernelPackage.purl) ? [] : [packaged(kernelPackage, [])]),
    ...programs.map(({ name, version, path, sha256 }) => ({
      type: "application",
      "bom-ref": name,
      name,
      version,
      hashes: [hash(sha256)],
      licenses: [{ license: { id: "Apache-2.0" } }],
      components: nested(owned.get(name) ?? []),
      properties: [property("path", path)],
    })),
    ...[...crates.values()].map(crated),
    ...files.map(({ name, sha256, sizeBytes }) => ({
      type: "file",
      "bom-ref": name,
      name,
      hashes: [hash(sha256)],
      properties: [property("sizeBytes", `${sizeBytes}`)],
      // What no package brought: the spec's own files, and what the build makes.
      components: name === "rootfs.ext4" ? nested(owned.get(undefined) ?? []) : undefined,
    })),
  ];
  return canonicalJson({
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuid(canonicalJson([image.planSha256, files]))}`,
    version: 1,
    metadata: {
      timestamp: image.buildDate,
      tools: { components: [{ type: "application", name: "kelpie", version: image.gitSha }] },
      component: {
        type: "operating-system",
        "bom-ref": "image",
        name: image.name,
        version: image.version,
        properties: [
          property("architecture", image.architecture),
          property("distribution", `${image.distribution.id} ${image.distribution.version}`),
          property("kernelRelease", kernel.release),
          property("planSha256", image.planSha256),
        ],
      },
    },
    components: all,
    dependencies: dependencies(inventory),
  });
}

function dependencies({ files, packages, kernel, programs }: Inventory): readonly object[] {
  const kernelRefs = kernel.package === undefined ? [] : [kernel.package.purl];
  return [
    { ref: "image", dependsOn: files.map(({ name }) => name) },
    {
      ref: "rootfs.ext4",
      dependsOn: [...packages.map(({ purl }) => purl), ...programs.map(({ name }) => name)],
    },
    ...files
      .filter(({ name }) => name === "vmlinuz" || name === "vmlinux")
      .map(({ name }) => ({ ref: name, dependsOn: kernelRefs })),
    { ref: "initrd", dependsOn: [...kernelRefs, "kelpie-init"] },
    ...programs.map(({ name, crates }) => ({ ref: name, dependsOn: crates.map(({ purl }) => purl) })),
  ];
}

function packaged(found: InventoryPackage, files: readonly InventoryFile[]): object {
  const { name, version, purl, license, location, sha256, source, identity } = found;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    supplier: { name: found.supplier },
    licenses: license === undefined ? undefined : [{ expression: license.expression }],
    hashes: sha256 === undefined ? undefined : [hash(sha256)],
    externalReferences: location === undefined ? undefined : [{ type: "distribution", url: location }],
    properties: [
      ...(source === undefined ? [] : [property("source", source)]),
      ...(identity === undefined ? [] : [property("identity", identity)]),
    ],
    components: nested(files),
  };
}

function crated({ name, version, purl, sha256 }: InventoryCrate): object {
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    hashes: [hash(sha256)],
  };
}

function nested(files: readonly InventoryFile[]): readonly object[] | undefined {
  if (files.length === 0) return undefined;
  return files.map(({ path, sha256 }) => ({ type: "file", name: path, hashes: [hash(sha256)] }));
}

function hash(content: string): object {
  return { alg: "SHA-256", content };
}

function property(name: string, value: string): object {
  return { name: `kelpie:${name}`, value };
}

/** A UUID of a name (RFC 9562, version 8: the digest is SHA-256). */
function uuid(name: string): string {
  const bytes = createHash("sha256").update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
