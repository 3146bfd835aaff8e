// Holds a file's content against what metadata.json says of it, while it passes.

import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import { describedFile, type ImageMetadata, type StoredFileName } from "../metadata/image-metadata.ts";

/** Takes a file's bytes in order and then says whether they are the right ones. */
export class ContentCheck {
  readonly #metadata: ImageMetadata;
  readonly #file: StoredFileName;
  readonly #hash = createHash("sha256");
  #sizeBytes = 0;

  constructor(metadata: ImageMetadata, file: StoredFileName) {
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
  file: StoredFileName,
  found: { readonly sizeBytes: number; readonly sha256: string },
): void {
  const described = describedFile(metadata, file);
  if (found.sizeBytes === described?.sizeBytes && found.sha256 === described.sha256) return;
  throw new KelpieError("digest-mismatch", `${file} is not what the image's metadata says`, {
    expected:
      described === undefined
        ? "no such file"
        : `${described.sizeBytes} bytes with sha256 ${described.sha256}`,
    found: `${found.sizeBytes} bytes with sha256 ${found.sha256}`,
    where: `${metadata.name} ${metadata.version} ${metadata.architecture}`,
  });
}
