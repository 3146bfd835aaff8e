// A small file of a release page, whole in memory.

import { collect } from "@kelpie/formats";
import type { Platform } from "@kelpie/platform";
import {
  type Attempt,
  defaultRetry,
  defaultTimeouts,
  httpExchange,
  refusedStatus,
  withRetries,
} from "@kelpie/repositories";
import type { TransferOptions } from "../oci/registry-http.ts";

/** Its bytes, or undefined where the page does not have it. @throws KelpieError `limit-exceeded`, `unreachable`, … */
export async function fetchFile(
  platform: Platform,
  url: string,
  maxBytes: number,
  transfer: TransferOptions | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const timeouts = { ...defaultTimeouts, ...transfer?.timeouts };
  return await withRetries(platform, { ...defaultRetry, ...transfer?.retry }, signal, () =>
    httpExchange(
      platform,
      url,
      { timeouts, signal },
      async (response): Promise<Attempt<Uint8Array | undefined>> => {
        if (response.status === 404) return { kind: "done", value: undefined };
        if (response.status !== 200) return refusedStatus(url, response);
        return { kind: "done", value: await collect(response.body, maxBytes, url) };
      },
    ),
  );
}
