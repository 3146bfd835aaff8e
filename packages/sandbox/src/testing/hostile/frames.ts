// HTTP/2 frames and gRPC messages as bytes, right and wrong ones alike (RFC 9113, RFC 7541, gRPC over HTTP/2).

/** Kinds of frames: RFC 9113, section 6. */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Bits of a frame's header. */
export const flag = { none: 0, endStream: 1, acknowledge: 1, endHeaders: 4, padded: 8 } as const;

/** Length of a frame's header. */
export const frameHeaderBytes = 9;

/** A frame whose length is what its payload has, or what `length` says. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** The server's preface: no settings. */
export const emptySettings = frame(frameType.settings, flag.none, 0);

/** Settings as identifiers and values. */
export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [index, [identifier, value]] of pairs.entries()) {
    payload.writeUInt16BE(identifier, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(frameType.settings, flag.none, 0, payload);
}

/** Four bytes, as a window's growth, an error's code and a stream's number are written. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header field in plain text; kept in the receiver's table if `isIndexed` (RFC 7541, section 6.2). */
export function field(name: string, value: string, isIndexed = false): Buffer {
  return Buffer.concat([Buffer.from([isIndexed ? 0x40 : 0]), text(name), text(value)]);
}

/** The header field that was put into the receiver's table last. */
export const newestField = Buffer.from([0x80 | 62]);

function text(value: string): Buffer {
  return Buffer.concat([integer(value.length), Buffer.from(value, "latin1")]);
}

/** An integer with a prefix of seven bits (RFC 7541, section 5.1). */
function integer(value: number): Buffer {
  const largest = 0x7f;
  if (value < largest) return Buffer.from([value]);
  const bytes = [largest];
  let rest = value - largest;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** `:status: 200` of the static table, and gRPC's content type. */
export const goodFields = Buffer.concat([
  Buffer.from([0x88]),
  field("content-type", "application/grpc+proto"),
]);

/** The headers of an answer that goes on. */
export function answerHeaders(stream: number, fields: Uint8Array = goodFields): Buffer {
  return frame(frameType.headers, flag.endHeaders, stream, fields);
}

/** The end of an answer. */
export function trailers(stream: number, fields: Uint8Array = field("grpc-status", "0")): Buffer {
  return frame(frameType.headers, flag.endHeaders | flag.endStream, stream, fields);
}

/** A gRPC message whose length is what it has, or what `length` says. */
export function message(payload: Uint8Array, { length = payload.length, flags = 0 } = {}): Buffer {
  return Buffer.concat([Buffer.from([flags]), word(length), payload]);
}

/** A part of an answer. */
export function data(stream: number, payload: Uint8Array): Buffer {
  return frame(frameType.data, flag.none, stream, payload);
}
