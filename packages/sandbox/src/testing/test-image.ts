// The image that VM tests boot: the one of KELPIE_HOME's store for an architecture that was built last.

import { bootFiles, ImageStore } from "@kelpie/images";
import {
  type Architecture,
  architectures,
  describeError,
  KelpieError,
  kelpieHome,
  realPlatform,
} from "@kelpie/platform";
import { findQemu } from "../vmm/qemu/find-qemu.ts";
import type { BootImage } from "../vmm/vmm.ts";

/** An image, or why the tests that need it are skipped. */
export type TestImage = { readonly image: BootImage } | { readonly skip: string };

/** Looks for an image and a QEMU for it. Set KELPIE_HOME to take another store. */
export async function findTestImage(architecture: Architecture): Promise<TestImage> {
  try {
    await findQemu(realPlatform, architecture);
    const home = kelpieHome(realPlatform.host);
    const { images } = await new ImageStore(realPlatform, home).list();
    const stored = images
      .filter((candidate) => candidate.architecture === architecture)
      .toSorted((a, b) => a.buildDate.localeCompare(b.buildDate))
      .at(-1);
    if (stored === undefined) return { skip: `there is no image for ${architecture} in ${home}` };
    return { image: bootFiles(stored) };
  } catch (error) {
    return { skip: describeError(error) };
  }
}

/**
 * The image for a script that is run by hand.
 * @param architecture - as it was typed.
 * @throws KelpieError `usage` for what is no architecture; `not-found` where there is no image or no QEMU for it.
 */
export async function requireTestImage(architecture: string): Promise<BootImage> {
  const known = architectures.find((name) => name === architecture);
  if (known === undefined) {
    throw new KelpieError("usage", "This is no architecture", {
      expected: architectures.join(" or "),
      found: architecture,
    });
  }
  const found = await findTestImage(known);
  if ("skip" in found) throw new KelpieError("not-found", found.skip);
  return found.image;
}
