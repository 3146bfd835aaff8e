// Content that lies in a part of a file on disk.

import { type Files, KelpieError } from "@kelpie/platform";
import type { ByteSource } from "./byte-source.ts";

const chunkBytes = 256 * 1024;

/**
 * `sizeBytes` bytes from `offset` of the file at `path`, opened anew each time that it is read.
 * A file that ends sooner is `malformed`.
 */
export function fileSource(
  files: Pick<Files, "open">,
  path: string,
  offset: number,
  sizeBytes: number,
): ByteSource {
  return {
    sizeBytes,
    async *open(signal) {
      if (sizeBytes === 0) return;
      await using handle = await files.open(path, "read");
      const buffer = new Uint8Array(Math.min(chunkBytes, sizeBytes));
      let done = 0;
      while (done < sizeBytes) {
        signal?.throwIfAborted();
        const want = buffer.subarray(0, Math.min(buffer.length, sizeBytes - done));
        const got = await handle.read(want, offset + done);
        if (got < want.length) {
          throw new KelpieError("malformed", "A file ends before the content that it should hold", {
            expected: `${sizeBytes} bytes from byte ${offset}`,
            found: `${done + got}`,
            where: path,
          });
        }
        done += got;
        yield want.slice();
      }
    },
  };
}
