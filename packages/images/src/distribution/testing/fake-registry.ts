// A registry in memory that misbehaves on demand, for what the real one never does.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What is done wrong with one request. */
export type Fault =
  | { readonly kind: "none" }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Ends the connection: before the request's body is read to its end, or after so many bytes of the answer's. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** Sends so many bytes of the answer, and then nothing more. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** Never answers, and says when it has got that far. */
  | { readonly kind: "silence"; readonly onReached?: () => void }
  /** Turns a byte of the answer over. */
  | { readonly kind: "corrupt"; readonly atByte: number }
  /** Adds to the answer, or takes from it. */
  | { readonly kind: "resize"; readonly byBytes: number }
  | { readonly kind: "wrong-range" };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export interface FakeRegistry extends AsyncDisposable {
  readonly host: string;
  readonly seen: readonly SeenRequest[];
  readonly blobs: Map<string, Uint8Array>;
  readonly manifests: Map<string, { readonly mediaType: string; readonly bytes: Uint8Array }>;
  /** The faults of the coming requests whose "METHOD path" begins so; after them it behaves. */
  fail(prefix: string, ...faults: readonly Fault[]): void;
}

export function sha256(bytes: Uint8Array): `sha256:${string}` {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Starts a registry with one repository, "repo", that has nothing yet. */
export async function startFakeRegistry({
  listsReferrers = false,
}: {
  readonly listsReferrers?: boolean;
} = {}): Promise<FakeRegistry> {
  const blobs: FakeRegistry["blobs"] = new Map();
  const manifests: FakeRegistry["manifests"] = new Map();
  const faults: { readonly prefix: string; readonly queue: Fault[] }[] = [];
  const seen: SeenRequest[] = [];
  const uploads = new Map<string, Uint8Array>();

  const server = createServer((request, response) => {
    const { method = "GET", url = "/" } = request;
    const path = url.replace(/^\/v2\/repo\//, "");
    const fault = faults
      .find(({ prefix, queue }) => queue.length > 0 && `${method} ${path}`.startsWith(prefix))
      ?.queue.shift();
    seen.push({ method, path, authorization: request.headers.authorization, range: request.headers.range });
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    if (fault?.kind === "silence") {
      fault.onReached?.();
      return;
    }
    if (fault?.kind === "status") {
      request.resume();
      response.writeHead(fault.status, fault.headers).end(fault.body ?? "no");
      return;
    }
    if (method === "GET" || method === "HEAD") {
      read(request, response, path, fault ?? { kind: "none" });
      return;
    }
    void write(request, response, path, fault);
  });

  const read = (request: IncomingMessage, response: ServerResponse, path: string, fault: Fault): void => {
    const [kind, name = ""] = path.split("/");
    const upload = /^blobs\/uploads\/(.+)$/.exec(path)?.[1];
    if (upload !== undefined) {
      const had = uploads.get(upload)?.length ?? 0;
      response.writeHead(204, { location: `/v2/repo/${path}`, range: `0-${Math.max(0, had - 1)}` }).end();
      return;
    }
    if (path === "tags/list") {
      const tags = [...manifests.keys()].filter((key) => !key.includes(":"));
      send(request, response, Buffer.from(JSON.stringify({ name: "repo", tags })), "application/json", fault);
      return;
    }
    const subject = /^referrers\/(.+)$/.exec(path)?.[1];
    if (subject !== undefined && listsReferrers) {
      const list = Buffer.from(JSON.stringify(referrersOf(subject, manifests)));
      send(request, response, list, "application/vnd.oci.image.index.v1+json", fault);
      return;
    }
    const content =
      subject !== undefined ? undefined : kind === "blobs" ? blobs.get(name) : manifests.get(name)?.bytes;
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = manifests.get(name)?.mediaType ?? "application/octet-stream";
    send(request, response, content, type, fault);
  };

  const write = async (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    fault: Fault | undefined,
  ): Promise<void> => {
    const chunks: Buffer[] = [];
    let received = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        received += chunk.length;
        if (fault?.kind === "cut" && received > fault.afterBytes) {
          keep(path, Buffer.concat(chunks));
          request.socket.destroy();
          return;
        }
      }
    } catch {
      return;
    }
    accept(response, request, path, Buffer.concat(chunks));
  };

  const keep = (path: string, bytes: Uint8Array): void => {
    const id = /^blobs\/uploads\/([^?]+)/.exec(path)?.[1];
    if (id !== undefined) uploads.set(id, Buffer.concat([uploads.get(id) ?? new Uint8Array(0), bytes]));
  };

  const accept = (
    response: ServerResponse,
    request: IncomingMessage,
    path: string,
    bytes: Uint8Array,
  ): void => {
    const { method } = request;
    const [address, query = ""] = path.split("?");
    if (method === "POST") {
      const id = `${uploads.size + 1}`;
      uploads.set(id, new Uint8Array(0));
      response.writeHead(202, { location: `/v2/repo/blobs/uploads/${id}` }).end();
      return;
    }
    if (address?.startsWith("manifests/") === true) {
      const entry = { mediaType: request.headers["content-type"] ?? "", bytes };
      manifests.set(address.slice("manifests/".length), entry);
      manifests.set(sha256(bytes), entry);
      const subject = subjectOf(bytes);
      response
        .writeHead(201, listsReferrers && subject !== undefined ? { "oci-subject": subject } : {})
        .end();
      return;
    }
    const id = /^blobs\/uploads\/(.+)$/.exec(address ?? "")?.[1] ?? "";
    keep(path, bytes);
    if (method === "PATCH") {
      response.writeHead(202, { location: `/v2/repo/blobs/uploads/${id}` }).end();
      return;
    }
    const whole = uploads.get(id) ?? new Uint8Array(0);
    const digest = new URLSearchParams(query).get("digest") ?? "";
    if (digest === sha256(whole)) blobs.set(digest, whole);
    response.writeHead(digest === sha256(whole) ? 201 : 400).end();
  };

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  return {
    host: `127.0.0.1:${address.port}`,
    seen,
    blobs,
    manifests,
    fail: (prefix, ...queue) => void faults.push({ prefix, queue: [...queue] }),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function subjectOf(bytes: Uint8Array): string | undefined {
  return (JSON.parse(new TextDecoder().decode(bytes)) as { subject?: { digest: string } }).subject?.digest;
}

function referrersOf(subject: string, manifests: FakeRegistry["manifests"]): unknown {
  const found = [...manifests].filter(
    ([name, { bytes }]) => name.includes(":") && subjectOf(bytes) === subject,
  );
  return {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: found.map(([digest, { mediaType, bytes }]) => {
      const { artifactType } = JSON.parse(new TextDecoder().decode(bytes)) as { artifactType?: string };
      return { mediaType, digest, size: bytes.length, artifactType };
    }),
  };
}

/** A client whose connection breaks may drop what it has not handed on yet: it gets this long for that. */
const settleMs = 30;

function send(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
  type: string,
  fault: Fault,
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? "0");
  const from = fault.kind === "wrong-range" && start > 0 ? start - 1 : start;
  const bytes = spoiled(content, fault).subarray(from);
  const headers = { "content-type": type, "content-length": `${bytes.length}` };
  if (start > 0)
    response.writeHead(206, {
      ...headers,
      "content-range": `bytes ${from}-${content.length - 1}/${content.length}`,
    });
  else response.writeHead(200, headers);
  if (request.method === "HEAD") response.end();
  else if (fault.kind === "cut")
    response.write(bytes.subarray(0, fault.afterBytes), () => setTimeout(() => response.destroy(), settleMs));
  else if (fault.kind === "stall") response.write(bytes.subarray(0, fault.afterBytes));
  else response.end(bytes);
}

function spoiled(content: Uint8Array, fault: Fault): Uint8Array {
  if (fault.kind === "resize") {
    const changed = new Uint8Array(content.length + fault.byBytes);
    changed.set(content.subarray(0, changed.length));
    return changed;
  }
  if (fault.kind !== "corrupt") return content;
  const copy = Uint8Array.from(content);
  copy[fault.atByte] = (copy[fault.atByte] ?? 0) ^ 0xff;
  return copy;
}
