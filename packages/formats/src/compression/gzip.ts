// gzip (RFC 1952) as we write it: the same bytes for the same input, whenever it is run.

import { crc32, createDeflateRaw, deflateRawSync } from "node:zlib";
import { through } from "../stream/through.ts";

const defaultLevel = 6;

/** No name, time 0, OS byte 255 (unknown). The byte before it tells of the slowest and the fastest level only. */
function header(level: number): Uint8Array {
  const effort = level === 9 ? 2 : level === 1 ? 4 : 0;
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 0xff);
}

function trailer(checksum: number, sizeBytes: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint32(0, checksum, true);
  bytes.setUint32(4, sizeBytes % 2 ** 32, true);
  return new Uint8Array(bytes.buffer);
}

/**
 * Compresses to one gzip member. The bytes depend on the content, the level (1 to 9, default 6) and Node's build of zlib, and
 * not on the time or on how the content is cut into chunks.
 */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  level = defaultLevel,
): AsyncGenerator<Uint8Array, void, undefined> {
  let checksum = 0;
  let sizeBytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      checksum = crc32(chunk, checksum);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  yield header(level);
  yield* through(counted(), createDeflateRaw({ level }), "Compressing failed");
  yield trailer(checksum, sizeBytes);
}

/** As {@link gzip}, of bytes in memory. */
export function gzipBytes(bytes: Uint8Array, level = defaultLevel): Uint8Array {
  const body = deflateRawSync(bytes, { level });
  const whole = new Uint8Array(10 + body.length + 8);
  whole.set(header(level));
  whole.set(body, 10);
  whole.set(trailer(crc32(bytes), bytes.length), 10 + body.length);
  return whole;
}
