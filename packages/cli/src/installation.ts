// Where the parts of this installation stand.

import { dirname, join, resolve } from "node:path";

export interface Installation {
  /** The checkout or package. */
  readonly root: string;
  /** Image specs that come with Kelpie. */
  readonly images: string;
  /** The sources of what runs inside the VM. */
  readonly guest: string;
}

/** The installation that this module belongs to. */
export function thisInstallation(): Installation {
  const root = resolve(dirname(import.meta.filename), "../../..");
  return { root, images: join(root, "images"), guest: join(root, "guest") };
}
