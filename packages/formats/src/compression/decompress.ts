// Decompression of a stream, by its magic number or by a format that the caller insists on.

import { KelpieError } from "@kelpie/platform";
import { StreamReader } from "../stream/stream-reader.ts";
import { type CompressionFormat, compressionFormat, compressionMagicBytes } from "./format.ts";
import { gzipMembers } from "./gzip-members.ts";
import { unlz4Legacy } from "./lz4-legacy.ts";
import { type DecompressionLimits, OutputMeter } from "./output-meter.ts";
import { unzstd } from "./unzstd.ts";
import { unxz } from "./xz/unxz.ts";

export interface DecompressOptions extends DecompressionLimits {
  /** `auto` (the default) goes by the magic number and lets an uncompressed stream through. */
  readonly format?: CompressionFormat | "auto";
  /** For messages: which stream this is. */
  readonly where?: string;
}

const defaultMaxWindowBytes = 128 * 1024 * 1024;
const passThroughBytes = 1 << 20;

/**
 * The decompressed bytes of `source`, in chunks. A stream of several members, frames or streams is one content; nothing else
 * may follow them.
 *
 * @throws KelpieError `malformed` for a damaged or truncated stream, `limit-exceeded` for one that is too large.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new StreamReader(source, options.where);
  try {
    const head = (await reader.readUpTo(compressionMagicBytes)).slice();
    const wanted = options.format ?? "auto";
    const found = compressionFormat(head);
    if (wanted !== "auto" && wanted !== "none" && wanted !== found) {
      throw new KelpieError("malformed", "A stream is not compressed as it should be", {
        expected: wanted,
        found,
        ...(options.where === undefined ? {} : { where: options.where }),
      });
    }
    yield* decompressAs(wanted === "auto" ? found : wanted, rest(head, reader), options);
  } finally {
    await reader.close();
  }
}

async function* decompressAs(
  format: CompressionFormat,
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (format === "gzip") {
    for await (const member of gzipMembers(source, options)) yield* member.content;
    return;
  }
  const reader = new StreamReader(source, options.where);
  const meter = new OutputMeter(options, () => reader.offset);
  for await (const chunk of decoded(format, reader, options.maxWindowBytes ?? defaultMaxWindowBytes)) {
    meter.add(chunk.length);
    yield chunk;
  }
}

function decoded(
  format: Exclude<CompressionFormat, "gzip">,
  reader: StreamReader,
  maxWindowBytes: number,
): AsyncIterable<Uint8Array> {
  switch (format) {
    case "xz":
      return unxz(reader, maxWindowBytes);
    case "zstd":
      return unzstd(reader, maxWindowBytes);
    case "lz4-legacy":
      return unlz4Legacy(reader);
    case "none":
      return chunksOf(reader);
    default:
      return format satisfies never;
  }
}

async function* chunksOf(reader: StreamReader): AsyncGenerator<Uint8Array, void, undefined> {
  for (let chunk = await reader.readSome(passThroughBytes); chunk !== undefined; ) {
    yield chunk;
    chunk = await reader.readSome(passThroughBytes);
  }
}

async function* rest(head: Uint8Array, reader: StreamReader): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  yield* chunksOf(reader);
}
