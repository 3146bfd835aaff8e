// The error of everything in this folder.

import { KelpieError } from "@kelpie/platform";

/** A damaged xz stream; `where` is known to the caller that reads the stream. */
export function malformedXz(expected: string, found: string, where?: string): KelpieError {
  return new KelpieError("malformed", "Cannot read an xz stream", {
    expected,
    found,
    ...(where === undefined ? {} : { where }),
  });
}
