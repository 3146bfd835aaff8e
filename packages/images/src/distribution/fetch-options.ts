// What fetching an image takes, wherever it comes from.

import type { Architecture, Platform } from "@kelpie/platform";
import type { OnTrust } from "../trust/check-trust.ts";
import type { TransferOptions } from "./oci/registry-http.ts";
import type { OnTransfer } from "./progress.ts";

export interface FetchOptions {
  readonly platform: Platform;
  /** KELPIE_HOME: its store gets the image, and its trust policy counts. */
  readonly home: string;
  readonly architecture: Architecture;
  readonly onProgress?: OnTransfer | undefined;
  /** Told by what the image was let in. */
  readonly onTrust?: OnTrust | undefined;
  readonly transfer?: TransferOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}
