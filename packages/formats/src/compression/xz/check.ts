// The integrity check at the end of each block (.xz file format 1.2.1, section 2.1.1.2).

import { KelpieError } from "@kelpie/platform";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Crc64 } from "./crc64.ts";

/** A running check; `digest` gives the bytes as they stand in the file. */
export interface Check {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/** A fresh check of the type that the stream's flags name. */
export function makeCheck(type: number): Check {
  switch (type) {
    case 0:
      return { update: () => undefined, digest: () => new Uint8Array(0) };
    case 1:
      return makeCrc32();
    case 4:
      return new Crc64();
    case 10: {
      const hash = createHash("sha256");
      return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
    }
    default:
      throw new KelpieError("unsupported", "An xz stream has a check of a reserved type", {
        expected: "0 (none), 1 (CRC32), 4 (CRC64) or 10 (SHA-256)",
        found: `${type}`,
      });
  }
}

function makeCrc32(): Check {
  let value = 0;
  return {
    update: (bytes) => {
      value = crc32(bytes, value);
    },
    digest: () => {
      const bytes = new DataView(new ArrayBuffer(4));
      bytes.setUint32(0, value, true);
      return new Uint8Array(bytes.buffer);
    },
  };
}
