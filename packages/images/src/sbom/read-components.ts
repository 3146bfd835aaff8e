// What a CycloneDX document lists, for people and for comparisons.

import { z } from "zod";
import { parseJsonAs } from "../json/parse-json-as.ts";

const text = z.string().max(4096);
const license = z.union([
  z.looseObject({ expression: z.string().max(100_000) }),
  z.looseObject({ license: z.looseObject({ id: text.optional(), name: text.optional() }) }),
]);
const component = z.looseObject({
  type: text,
  name: text,
  version: text.optional(),
  purl: text.optional(),
  licenses: z.array(license).optional(),
  components: z.array(z.unknown()).optional(),
});
const documentSchema = z.looseObject({
  bomFormat: z.literal("CycloneDX"),
  components: z.array(component).max(1_000_000),
});

/** A package, crate or program of an image. */
export interface Component {
  readonly kind: "package" | "crate" | "program";
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
  readonly purl: string | undefined;
  /** How many files of the image it owns. */
  readonly files: number;
}

/** @throws KelpieError `malformed` for anything but a CycloneDX document. */
export function readComponents(bytes: Uint8Array, where: string): readonly Component[] {
  const { components } = parseJsonAs(
    documentSchema,
    bytes,
    "This is not a bill of materials in CycloneDX",
    where,
  );
  return components.flatMap((found): Component[] => {
    const { type, name, version = "", purl, licenses = [], components: nested = [] } = found;
    if (type === "file") return [];
    const stated = licenses.map((each) =>
      "expression" in each ? each.expression : (each.license.id ?? each.license.name ?? ""),
    );
    return [
      {
        kind: kindOf(type, purl),
        name,
        version,
        license: stated.length === 0 ? undefined : stated.join(" AND "),
        purl,
        files: nested.length,
      },
    ];
  });
}

function kindOf(type: string, purl: string | undefined): Component["kind"] {
  if (purl?.startsWith("pkg:cargo/") === true) return "crate";
  return type === "application" ? "program" : "package";
}
