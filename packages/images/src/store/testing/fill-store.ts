// A process that adds images to a store until the disk is full, and says how that went.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { addImage } from "../../distribution/testing/images.ts";
import { ImageStore } from "../image-store.ts";

const [home = ""] = process.argv.slice(2);
const store = new ImageStore(realPlatform, home);
const architecture = realPlatform.host.architecture ?? "amd64";
await addImage(realPlatform, home, architecture, {
  files: { "rootfs.ext4": new Uint8Array(1 << 20).fill(1) },
});
console.log("added");
try {
  await store.add(async (directory) => {
    for (const name of ["rootfs.ext4", "vmlinuz", "initrd"])
      await realFile(join(directory, name), new Uint8Array(4 << 20).fill(2));
    throw new KelpieError("internal", "must not be reached");
  });
} catch (error) {
  console.log(KelpieError.is(error) ? error.code : String(error));
}
const { images } = await store.list();
console.log(`listed ${images.length}`);
for (const image of images) await store.verifyOnUse(image);
console.log("used");

async function realFile(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, "");
  await using handle = await realPlatform.files.open(path, "update");
  await handle.write(bytes, 0);
}
