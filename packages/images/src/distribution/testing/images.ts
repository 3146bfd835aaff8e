// Images for tests of what moves them: small, quickly made, and different in as much as a test wants.

import { createCipheriv, createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture, Platform } from "@kelpie/platform";
import type { ImageFileName, ImageMetadata } from "../../metadata/image-metadata.ts";
import { ImageStore, type StoredImage } from "../../store/image-store.ts";

/** Bytes that look random and are always the same for a seed. */
export function noise(seed: string, sizeBytes: number): Uint8Array {
  const key = createHash("sha256").update(seed).digest();
  return new Uint8Array(
    createCipheriv("aes-256-ctr", key, new Uint8Array(16)).update(new Uint8Array(sizeBytes)),
  );
}

/** A root file system with content, a hole, and content again. */
export function rootfs(seed: string, contentBytes = 3 << 20): Uint8Array {
  const bytes = new Uint8Array(contentBytes + (9 << 20));
  bytes.set(noise(seed, contentBytes), 0);
  bytes.set(noise(`${seed} end`, 8192), bytes.length - 8192);
  return bytes;
}

export const testVersion = "1.2.3-20260115-a3f4d21";

/** Adds an image to the store below `home`; only those for amd64 have a second form of the kernel. */
export async function addImage(
  platform: Platform,
  home: string,
  architecture: Architecture,
  options: { version?: string; files?: Partial<Record<ImageFileName, Uint8Array>> } = {},
): Promise<StoredImage> {
  const contents: Contents = {
    "rootfs.ext4": rootfs(`rootfs ${architecture}`),
    vmlinuz: noise(`kernel ${architecture}`, 50_001),
    ...(architecture === "amd64" ? { vmlinux: noise("vmlinux", 60_003) } : {}),
    initrd: noise(`initrd ${architecture}`, 7),
    ...options.files,
  };
  const metadata = describe(contents, options.version ?? testVersion, architecture);
  return await new ImageStore(platform, home).add(async (directory) => {
    for (const [file, bytes] of Object.entries(contents)) await writeFile(join(directory, file), bytes);
    return metadata;
  });
}

type Contents = Readonly<Record<Exclude<ImageFileName, "vmlinux">, Uint8Array>> & {
  readonly vmlinux?: Uint8Array;
};

function describe(contents: Contents, version: string, architecture: Architecture): ImageMetadata {
  const file = (bytes: Uint8Array): ImageMetadata["files"]["vmlinuz"] => ({
    sizeBytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });
  const nothing = createHash("sha256").digest("hex");
  return {
    schemaVersion: 1,
    name: "kelpie-base",
    version,
    architecture,
    buildDate: "2026-01-15T00:00:00Z",
    gitSha: "a3f4d21",
    distribution: { id: "alpine", version: "3.19.4" },
    kernel: { source: "path", release: "6.6.0", packageVersion: "", format: "bzImage" },
    guest: { protocol: 1, agentSha256: nothing, initSha256: nothing },
    files: {
      "rootfs.ext4": file(contents["rootfs.ext4"]),
      vmlinuz: file(contents.vmlinuz),
      ...(contents.vmlinux === undefined ? {} : { vmlinux: file(contents.vmlinux) }),
      initrd: file(contents.initrd),
    },
    packages: [],
    planSha256: nothing,
  };
}
