// The image that the share suite boots: Debian, Python for what the suite tries, and a kernel with every file system.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootFiles, cachedKelpieKernel, ImageStore } from "@kelpie/images";
import { kelpieHome, realPlatform } from "@kelpie/platform";
import { makeHome, root, succeeds } from "../../../../cli/src/testing/kelpie-command.ts";
import type { BootImage } from "../../vmm/vmm.ts";

/**
 * Builds it in `home`, which is made: with Kelpie's own kernel where that has been compiled, else with Debian's, which has
 * no 9p.
 */
export async function buildConformanceImage(home: string): Promise<BootImage> {
  const kernel = await cachedKelpieKernel({
    platform: realPlatform,
    home: kelpieHome(realPlatform.host),
    architecture: "amd64",
    configDirectory: join(root, "images/kernel"),
  }).catch(() => undefined);
  const base = kernel === undefined ? "kelpie-debian" : "debian-own-kernel";
  const spec = [
    `extends: ${join(root, `images/${base}.yaml`)}`,
    "name: share-suite",
    "description: Debian with Python, for the share suite",
    "version: 1.0.0-shares",
    "packages: [python3-minimal, libpython3-stdlib]",
  ];
  makeHome(home);
  mkdirSync(join(home, "specs"));
  const path = join(home, "specs/share-suite.yaml");
  writeFileSync(path, `${spec.join("\n")}\n`);
  succeeds(home, ["images", "build", "--spec", path, "--arch", "amd64"]);
  const { images } = await new ImageStore(realPlatform, home).list();
  const [image] = images;
  if (image === undefined) throw new TypeError("the image that was built is not in the store");
  return bootFiles(image);
}
