// Packages indexes for tests, from short descriptions.

import type { IndexPart } from "../package-index.ts";
import { PackageIndex } from "../package-index.ts";

/** "name version", then fields ("Depends: b", …). */
export type PackageLine = readonly [nameAndVersion: string, ...fields: string[]];

export function indexText(packages: readonly PackageLine[]): string {
  return packages
    .map(([nameAndVersion, ...fields]) => {
      const [name = "", version = "1"] = nameAndVersion.split(" ");
      const given = new Set(fields.map((field) => field.split(":", 1)[0]));
      const standard = [
        "Architecture: amd64",
        `Filename: pool/${name}_${version}_amd64.deb`,
        "Size: 1",
        `SHA256: ${"0".repeat(64)}`,
      ].filter((field) => !given.has(field.split(":", 1)[0]));
      return [`Package: ${name}`, `Version: ${version}`, ...standard, ...fields, ""].join("\n");
    })
    .join("\n");
}

export function indexPart(packages: readonly PackageLine[], label = "the index"): IndexPart {
  return {
    bytes: new TextEncoder().encode(indexText(packages)),
    repositoryUrl: "http://mirror.test/debian",
    label,
  };
}

export function makeIndex(...parts: readonly (readonly PackageLine[])[]): PackageIndex {
  return new PackageIndex(
    parts.map((packages) => indexPart(packages)),
    "amd64",
  );
}
