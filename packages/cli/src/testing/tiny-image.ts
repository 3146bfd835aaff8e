// An image that no machine could boot, for commands that move images about.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileTree, MemorySink, writeExt4 } from "@kelpie/formats";
import { ImageStore, parseImageMetadata } from "@kelpie/images";
import { realPlatform } from "@kelpie/platform";

export const tinyImageVersion = "1.2.3-20260115-a3f4d21";

export const tinyImageArchitecture = realPlatform.host.architecture ?? "amd64";
export const tinyImageFiles = ["rootfs.ext4", "vmlinuz", "initrd"];

/** An image whose root file system is one, and whose other files are anything. */
export async function addTinyImage(home: string): Promise<void> {
  const sink = new MemorySink();
  const options = { label: "x", seed: new Uint8Array(32), timestampSeconds: 0, freeBytes: 0 };
  await writeExt4(new FileTree(), sink, options);
  const content = sink.toBytes();
  const file = { sizeBytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  const metadata = {
    schemaVersion: 1,
    name: "kelpie-base",
    version: tinyImageVersion,
    architecture: tinyImageArchitecture,
    buildDate: "2026-01-15T00:00:00Z",
    gitSha: "a3f4d21",
    distribution: { id: "alpine", version: "3.19.4" },
    kernel: { source: "path", release: "6.6.0", packageVersion: "", format: "bzImage" },
    guest: { protocol: 1, agentSha256: file.sha256, initSha256: file.sha256 },
    files: { "rootfs.ext4": file, vmlinuz: file, initrd: file },
    packages: [],
    planSha256: file.sha256,
  };
  await new ImageStore(realPlatform, home).add((directory) => {
    for (const name of tinyImageFiles) writeFileSync(join(directory, name), content);
    return Promise.resolve(parseImageMetadata(Buffer.from(JSON.stringify(metadata)), "test"));
  });
}
