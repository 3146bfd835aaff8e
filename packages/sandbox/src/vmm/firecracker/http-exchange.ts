// One exchange of HTTP/1.1 over a stream (RFC 9112), as much of it as Firecracker's server speaks: a length, and no chunks.

import type { Duplex } from "node:stream";
import { KelpieError } from "@kelpie/platform";

const headLimitBytes = 16 << 10;
const bodyLimitBytes = 64 << 10;
const headEnd = "\r\n\r\n";

/** What was answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * Sends a request and reads its answer.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `process-failed` where the stream ends or breaks first
 */
export async function exchange(
  stream: Duplex,
  method: string,
  path: string,
  body: Uint8Array | undefined,
): Promise<HttpAnswer> {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: localhost", "Accept: application/json"];
  if (body !== undefined) lines.push("Content-Type: application/json", `Content-Length: ${body.length}`);
  stream.write(`${lines.join("\r\n")}${headEnd}`);
  if (body !== undefined) stream.write(body);
  let seen = Buffer.alloc(0);
  let head: { readonly status: number; readonly length: number; readonly at: number } | undefined;
  try {
    const chunks: AsyncIterable<Uint8Array> = stream;
    for await (const chunk of chunks) {
      seen = Buffer.concat([seen, chunk]);
      head ??= parseHead(seen);
      if (head !== undefined && seen.length >= head.at + head.length) {
        return { status: head.status, body: seen.toString("utf8", head.at, head.at + head.length) };
      }
    }
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    throw new KelpieError("process-failed", "The connection to a monitor's API broke", { cause });
  }
  throw new KelpieError("process-failed", "A monitor's API ended the connection before its answer");
}

/** The status, where the body begins, and its length; undefined while the head is not complete. */
function parseHead(
  bytes: Buffer,
): { readonly status: number; readonly length: number; readonly at: number } | undefined {
  const end = bytes.subarray(0, headLimitBytes).indexOf(headEnd);
  if (end === -1) {
    if (bytes.length < headLimitBytes) return undefined;
    throw new KelpieError("limit-exceeded", "The head of a monitor's answer is too long", {
      expected: `at most ${headLimitBytes} bytes`,
    });
  }
  const head = bytes.toString("latin1", 0, end);
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(head)?.[1];
  const length = /^content-length:[ \t]*(\d{1,9})[ \t]*$/im.exec(head)?.[1] ?? "0";
  if (status === undefined || /^transfer-encoding:/im.test(head)) {
    throw new KelpieError("malformed", "A monitor's answer is no HTTP that can be read", {
      expected: "HTTP/1.1, a status, and a length",
      found: JSON.stringify(head.slice(0, 100)),
    });
  }
  if (Number(length) > bodyLimitBytes) {
    throw new KelpieError("limit-exceeded", "A monitor's answer is too long", {
      expected: `at most ${bodyLimitBytes} bytes`,
      found: length,
    });
  }
  return { status: Number(status), length: Number(length), at: end + headEnd.length };
}
