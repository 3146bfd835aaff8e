// Writes what an image says of itself beside it, once its files are there.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Files } from "@kelpie/platform";
import { type AttachmentName, imageFiles, type ImageMetadata } from "../metadata/image-metadata.ts";
import type { ImagePlan } from "../plan/image-plan.ts";
import { provenanceStatement } from "../provenance/statement.ts";
import { cycloneDxDocument } from "../sbom/cyclonedx.ts";
import { spdxDocument } from "../sbom/spdx.ts";
import { type InventoryParts, takeInventory } from "../sbom/take-inventory.ts";
import type { ImageSpec } from "../spec/image-spec.ts";

export interface AttachmentParts extends Omit<InventoryParts, "kernel" | "spec"> {
  readonly spec: ImageSpec;
  readonly plan: ImagePlan;
}

type Written = ImageMetadata["files"]["initrd"];

/** Writes both bills of materials and the provenance into `directory`, and returns the metadata that names them. */
export async function writeAttachments(
  files: Pick<Files, "open">,
  directory: string,
  parts: AttachmentParts,
): Promise<ImageMetadata> {
  const { metadata, spec, plan, cargoLock } = parts;
  const inventory = await takeInventory({ ...parts, kernel: plan.kernel });
  const write = async (name: AttachmentName, text: string): Promise<Written> => {
    const bytes = new TextEncoder().encode(text);
    await using handle = await files.open(join(directory, name), "create", 0o644);
    await handle.write(bytes, 0);
    return { sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  };
  const bills = {
    "sbom.spdx.json": await write("sbom.spdx.json", spdxDocument(inventory)),
    "sbom.cdx.json": await write("sbom.cdx.json", cycloneDxDocument(inventory)),
  };
  const subjects = [
    ...imageFiles(metadata).map(({ name, sha256 }) => ({ name, sha256 })),
    ...Object.entries(bills).map(([name, { sha256 }]) => ({ name, sha256 })),
  ];
  const statement = provenanceStatement({ spec, plan, inventory, subjects, cargoLock });
  return {
    ...metadata,
    attachments: { ...bills, "provenance.intoto.json": await write("provenance.intoto.json", statement) },
  };
}
