// What looking at a large store costs: a listing of 2,000 versions as a whole process, and making sure of one image's files.

import { linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { realPlatform } from "@kelpie/platform";
import type { BenchCase } from "../../../../tools/bench/case.ts";
import { addImage, noise } from "../distribution/testing/images.ts";
import { parseImageMetadata, serializeImageMetadata } from "../metadata/image-metadata.ts";
import { ImageStore, type StoredImage } from "./image-store.ts";

const kelpie = join(import.meta.dirname, "../../../../kelpie");

/** A store of `count` versions with the same files. */
async function fill(home: string, count: number): Promise<StoredImage> {
  const first = await addImage(realPlatform, home, "amd64", {
    version: "1.0.0-20260115-0000000",
    files: { "rootfs.ext4": noise("list", 100_000) },
  });
  const metadata = parseImageMetadata(readFileSync(join(first.directory, "metadata.json")), "metadata.json");
  for (let number = 1; number < count; number++) {
    const version = `1.${Math.floor(number / 100)}.${number % 100}-20260115-${String(number).padStart(7, "0")}`;
    const directory = join(home, "images", version);
    mkdirSync(directory);
    writeFileSync(join(directory, "metadata.json"), serializeImageMetadata({ ...metadata, version }));
    for (const file of ["rootfs.ext4", "vmlinuz", "vmlinux", "initrd"])
      linkSync(join(first.directory, file), join(directory, file));
  }
  return first;
}

const cases: readonly BenchCase[] = [
  {
    name: "store: kelpie images list, 2,000 versions",
    goal: { medianMs: 150 },
    runs: 15,
    prepare: async ({ scratch }) => {
      await fill(scratch, 2000);
      const env = { ...process.env, KELPIE_HOME: scratch };
      const run = (): void => {
        const { status, stdout } = spawnSync(kelpie, ["images", "list"], { env });
        if (status !== 0 || stdout.length < 100_000) throw new TypeError("no listing");
      };
      run();
      return { run };
    },
  },
  {
    name: "store: verify an image on use",
    goal: { medianMs: 2 },
    runs: 101,
    prepare: async ({ scratch }) => {
      const image = await fill(scratch, 1);
      const store = new ImageStore(realPlatform, scratch);
      return { run: () => store.verifyOnUse(image) };
    },
  },
];
export default cases;
