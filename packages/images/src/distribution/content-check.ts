// Holds a file's content against what metadata.json says of it, while it passes.

import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import type { ImageFileName, ImageMetadata } from "../metadata/image-metadata.ts";

/** Takes a file's bytes in order and then says whether they are the right ones. */
export class ContentCheck {
  readonly #metadata: ImageMetadata;
  readonly #file: ImageFileName;
  readonly #hash = createHash("sha256");
  #sizeBytes = 0;

  constructor(metadata: ImageMetadata, file: ImageFileName) {
    this.#metadata = metadata;
    this.#file = file;
  }

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  /** @throws KelpieError `digest-mismatch`. */
  finish(): void {
    checkContent(this.#metadata, this.#file, {
      sizeBytes: this.#sizeBytes,
      sha256: this.#hash.digest("hex"),
    });
  }
}

/** @throws KelpieError `digest-mismatch` where a file is not what its metadata says. */
export function checkContent(
  metadata: ImageMetadata,
  file: ImageFileName,
  found: { readonly sizeBytes: number; readonly sha256: string },
): void {
  const { sizeBytes, sha256 } = metadata.files[file];
  if (found.sizeBytes === sizeBytes && found.sha256 === sha256) return;
  throw new KelpieError("digest-mismatch", `${file} is not what the image's metadata says`, {
    expected: `${sizeBytes} bytes with sha256 ${sha256}`,
    found: `${found.sizeBytes} bytes with sha256 ${found.sha256}`,
    where: `${metadata.name} ${metadata.version} ${metadata.architecture}`,
  });
}
