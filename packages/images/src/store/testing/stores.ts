// A store of a test's own, and small images to put into it.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Architecture, realPlatform } from "@kelpie/platform";
import type { ImageFileName, ImageMetadata } from "../../metadata/image-metadata.ts";
import { ImageStore, type StoredImage } from "../image-store.ts";
import type { FileDigest } from "../verified.ts";

export const hostArchitecture: Architecture = realPlatform.host.architecture ?? "amd64";

export interface TestStore {
  readonly store: ImageStore;
  /** KELPIE_HOME. */
  readonly home: string;
  /** KELPIE_HOME/images. */
  readonly root: string;
  /** Adds an image whose files have the given texts, by default its version and their names, and a bill of materials if given. */
  readonly add: (
    version: string,
    texts?: Partial<Record<ImageFileName | "sbom.spdx.json", string>>,
    name?: string,
  ) => Promise<StoredImage>;
}

/** Runs `body` with a store in a directory that goes afterwards. */
export async function withTestStore(body: (at: TestStore) => Promise<void>): Promise<void> {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-store-");
  const home = directory.path;
  const store = new ImageStore(realPlatform, home);
  await body({
    store,
    home,
    root: join(home, "images"),
    add: (version, texts = {}, name = "kelpie-base") => {
      const { "sbom.spdx.json": bill, ...others } = texts;
      const textOf = (file: ImageFileName): string => others[file] ?? `${version} ${file}`;
      return store.add((staging) => {
        for (const file of ["rootfs.ext4", "vmlinuz", "initrd"] as const)
          writeFileSync(join(staging, file), textOf(file));
        const metadata = metadataOf(version, name, textOf);
        if (bill === undefined) return Promise.resolve(metadata);
        writeFileSync(join(staging, "sbom.spdx.json"), bill);
        return Promise.resolve({ ...metadata, attachments: { "sbom.spdx.json": digestOf(bill) } });
      });
    },
  });
}

function metadataOf(version: string, name: string, textOf: (file: ImageFileName) => string): ImageMetadata {
  const nothing = createHash("sha256").digest("hex");
  const entry = (file: ImageFileName): FileDigest => digestOf(textOf(file));
  return {
    schemaVersion: 1,
    name,
    version,
    architecture: hostArchitecture,
    buildDate: "2026-01-15T00:00:00Z",
    gitSha: "a3f4d21",
    distribution: { id: "alpine", version: "3.19.4" },
    kernel: { source: "debian", release: "6.1.0", packageVersion: "6.1.192-2", format: "bzImage" },
    guest: { protocol: 1, agentSha256: nothing, initSha256: nothing },
    files: { "rootfs.ext4": entry("rootfs.ext4"), vmlinuz: entry("vmlinuz"), initrd: entry("initrd") },
    packages: [],
    planSha256: nothing,
  };
}

function digestOf(text: string): FileDigest {
  return { sizeBytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}
