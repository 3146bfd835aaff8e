// First use: the image that somebody asks for, from the store or, where it is missing, from wherever it can be had.

import { ImageStore, type StoredImage } from "../../store/image-store.ts";
import { chooseImage } from "../../store/reference.ts";
import type { FetchOptions } from "../fetch-options.ts";
import type { ImageSource } from "./source.ts";

export interface EnsureOptions extends FetchOptions {
  /**
   * What `findImage` takes, or a registry's `host/name:tag`. What the store does not have is looked for in the sources by
   * the same rules, and what begins with a registry's host there.
   */
  readonly reference: string;
  /** Default: those of the configuration. */
  readonly sources?: readonly ImageSource[];
}

export interface EnsuredImage {
  /** Its files are verified. */
  readonly image: StoredImage;
  /** Where it was fetched from, as a person writes it; absent where the store had it. */
  readonly fetchedFrom: string | undefined;
}

/**
 * The image that `reference` names: verified on use where the store has it, else fetched, once however many ask.
 *
 * @throws KelpieError `not-found` where neither the store nor any source has it; `digest-mismatch` for a damaged one; what
 * a transfer can fail with.
 */
export async function ensureImage(options: EnsureOptions): Promise<EnsuredImage> {
  const { platform, home, reference, architecture, signal } = options;
  const store = new ImageStore(platform, home);
  const { images } = await store.list();
  const candidates = images.filter((image) => image.architecture === architecture);
  const stored = chooseImage(candidates, reference);
  if (stored !== undefined) {
    await store.verifyOnUse(stored, signal);
    return { image: stored, fetchedFrom: undefined };
  }
  // Loaded only here: most uses find what they ask for, and need no registry's client.
  const { fetchMissing } = await import("./fetch-missing.ts");
  return await fetchMissing(options, store, images);
}
