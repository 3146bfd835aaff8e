// Writing to a stream of ours at the pace of whoever reads it.

import type { Writable } from "node:stream";

/** Resolves when the stream has taken `bytes`: true, or false if its reader has gone. */
export function writeOutput(stream: Writable, bytes: Uint8Array): Promise<boolean> {
  if (stream.destroyed || stream.writableEnded) return Promise.resolve(false);
  return new Promise((resolve) => {
    // An error is reported to the write's callback and as an event, which would end the process without a listener.
    const ignore = (): void => undefined;
    stream.once("error", ignore);
    stream.write(bytes, (error) => {
      if (error === null || error === undefined) stream.off("error", ignore);
      resolve(error === null || error === undefined);
    });
  });
}
