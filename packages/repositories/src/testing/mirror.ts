// A mirror on the loopback interface that misbehaves on demand, for tests of everything that downloads.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What the mirror does wrong with one request; the next of the list is for the next request of that path. */
export type Fault =
  | { readonly kind: "none" }
  /** Ends the connection after so many bytes. */
  | { readonly kind: "truncate"; readonly afterBytes: number }
  /** Sends so many bytes, and then nothing more while the connection stays open. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** Never answers. */
  | { readonly kind: "silence" }
  /** Turns a byte over. */
  | { readonly kind: "corrupt"; readonly atByte: number }
  /** Sends this in place of the content, with no regard to a range. */
  | { readonly kind: "replace"; readonly content: Uint8Array }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Answers a request for a range from its start on. */
  | { readonly kind: "ignore-range" }
  /** Gives another range than the one that it was asked for. */
  | { readonly kind: "wrong-range" }
  /** Sends the content without saying how long it is. */
  | { readonly kind: "no-length" };

/** A request as the mirror saw it. */
export interface SeenRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly status: number;
}

export interface Mirror extends AsyncDisposable {
  /** "http://127.0.0.1:…", without a slash at its end. */
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  put(path: string, content: Uint8Array): void;
  remove(path: string): void;
  /** The faults of the coming requests of `path`, in order; after them it behaves. */
  fail(path: string, ...faults: readonly Fault[]): void;
}

/** A client whose connection breaks may drop what it has not handed on yet: it gets this long for that. */
const settleMs = 30;

/** Starts a mirror that has nothing yet. */
export async function startMirror(): Promise<Mirror> {
  const files = new Map<string, Uint8Array>();
  const faults = new Map<string, Fault[]>();
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const fault = faults.get(path)?.shift() ?? { kind: "none" };
    response.on("error", () => undefined);
    answer(request, response, files.get(path), fault);
    const status = fault.kind === "silence" ? 0 : response.statusCode;
    seen.push({ path, range: request.headers.range, ifNoneMatch: request.headers["if-none-match"], status });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("the mirror has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    put: (path, content) => void files.set(path, content),
    remove: (path) => void files.delete(path),
    fail: (path, ...list) => void faults.set(path, [...list]),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array | undefined,
  fault: Fault,
): void {
  if (fault.kind === "silence") return;
  if (fault.kind === "status") {
    response.writeHead(fault.status, fault.headers).end("no");
    return;
  }
  if (content === undefined) {
    response.writeHead(404).end("no such file");
    return;
  }
  if (fault.kind === "replace") {
    response.writeHead(200, { "content-length": fault.content.length, etag: '"other"' }).end(fault.content);
    return;
  }
  const etag = `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`;
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304, { etag }).end();
    return;
  }
  const start = startOfRange(request, etag, fault);
  const from = fault.kind === "wrong-range" && start !== undefined ? start + 1 : (start ?? 0);
  const bytes = spoiled(content, fault).subarray(from);
  response.statusCode = start === undefined ? 200 : 206;
  response.setHeader("etag", etag);
  if (start !== undefined)
    response.setHeader("content-range", `bytes ${from}-${content.length - 1}/${content.length}`);
  if (fault.kind !== "no-length") response.setHeader("content-length", bytes.length);
  if (fault.kind === "truncate")
    response.write(bytes.subarray(0, fault.afterBytes), () => setTimeout(() => response.destroy(), settleMs));
  else if (fault.kind === "stall") response.write(bytes.subarray(0, fault.afterBytes));
  else response.end(bytes);
}

function startOfRange(request: IncomingMessage, etag: string, fault: Fault): number | undefined {
  if (fault.kind === "ignore-range") return undefined;
  const condition = request.headers["if-range"];
  if (condition !== undefined && condition !== etag) return undefined;
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

function spoiled(content: Uint8Array, fault: Fault): Uint8Array {
  if (fault.kind !== "corrupt") return content;
  const copy = Uint8Array.from(content);
  copy[fault.atByte] = (copy[fault.atByte] ?? 0) ^ 0xff;
  return copy;
}
