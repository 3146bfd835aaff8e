// A proxy on loopback that passes HTTP on and does wrong what it is told to: for whatever talks to a server.

import {
  createServer,
  type IncomingMessage,
  request as forward,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** What is said in the place of an answer. */
type OtherAnswer =
  | "refused as too many requests"
  | "refused as an internal error"
  | "redirected within its origin"
  | "redirected to another origin"
  | "redirected in a circle";

/** What is done wrong with an answer. */
type SpoiledAnswer =
  | "cut in the middle"
  | "stalled in the middle"
  | "corrupt"
  | "other content of the same length"
  | "longer than it says"
  | "shorter than it says"
  | "longer than it should be"
  | "shorter than it should be"
  | "dripping"
  | "in chunks that end too early"
  | "with headers that are none";

export type ProxyFault = OtherAnswer | SpoiledAnswer;

export interface FaultProxy extends AsyncDisposable {
  /** "127.0.0.1:4711". */
  readonly host: string;
  /** How many answers were spoiled. */
  readonly spoiled: () => number;
  /** What the other origin, to which redirects led, was given as logins. */
  readonly strayLogins: readonly string[];
}

export interface FaultRule {
  readonly fault: ProxyFault;
  /** Of "METHOD /path". */
  readonly matches: RegExp;
  /** How many answers are spoiled; those behind them are right. */
  readonly times: number;
}

/** Stands before the server at `upstream`, a "host:port". */
export async function startFaultProxy(upstream: string, rule: FaultRule): Promise<FaultProxy> {
  const strayLogins: string[] = [];
  let spoiled = 0;

  const other = createServer((request, response) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) strayLogins.push(authorization);
    void pass(upstream, request, response);
  });
  const otherHost = await listening(other);

  const proxy = createServer((request, response) => {
    const { method = "GET", url = "/" } = request;
    const isCircle = rule.fault === "redirected in a circle";
    const isMatch = rule.matches.test(`${method} ${url}`) && (isCircle || !movedMark.test(url));
    if (!isMatch || spoiled === rule.times) {
      void pass(upstream, request, response);
      return;
    }
    spoiled++;
    response.on("error", () => undefined);
    const answering = isOther(rule.fault)
      ? answerOtherwise(rule.fault, otherHost, request, response)
      : spoil(rule.fault, upstream, request, response);
    // A client that has gone away needs no answer.
    answering.catch(() => response.destroy());
  });
  const host = await listening(proxy);
  return {
    host,
    strayLogins,
    spoiled: () => spoiled,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([closed(proxy), closed(other)]);
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What a server says of its connection, and how a body is delimited there. */
const perConnection: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding"]);
const movedMark = /[?&]moved=1/;

async function ask(upstream: string, request: IncomingMessage): Promise<Answer> {
  const body = await drained(request);
  return await new Promise((resolve, reject) => {
    const { method, url } = request;
    const headers = { ...request.headers, host: upstream };
    const path = (url ?? "/").replace(movedMark, "");
    const asked = forward(`http://${upstream}${path}`, { method, headers, agent: false }, (answer) => {
      drained(answer).then(
        (bytes) => {
          const kept = Object.entries(answer.headers).flatMap(([name, value]): [string, string][] =>
            typeof value === "string" && !perConnection.has(name) ? [[name, value]] : [],
          );
          resolve({ status: answer.statusCode ?? 500, headers: Object.fromEntries(kept), body: bytes });
        },
        (error: unknown) => reject(error instanceof Error ? error : new TypeError(String(error))),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

async function pass(upstream: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on("error", () => undefined);
  try {
    const { status, headers, body } = await ask(upstream, request);
    response.writeHead(status, headers).end(body);
  } catch {
    response.destroy();
  }
}

function isOther(fault: ProxyFault): fault is OtherAnswer {
  return /^re(fused|directed) /.test(fault);
}

async function answerOtherwise(
  fault: OtherAnswer,
  otherHost: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<unknown> {
  await drained(request);
  const url = request.url ?? "/";
  const moved = `${url}${url.includes("?") ? "&" : "?"}moved=1`;
  const redirect = (location: string): unknown => response.writeHead(307, { location }).end();
  switch (fault) {
    case "refused as too many requests":
      return response.writeHead(429, { "retry-after": "1" }).end("later");
    case "refused as an internal error":
      return response.writeHead(500).end("oh");
    case "redirected within its origin":
      return redirect(moved);
    case "redirected to another origin":
      return redirect(`http://${otherHost}${moved}`);
    case "redirected in a circle":
      return redirect(url);
    default:
      return fault satisfies never;
  }
}

async function spoil(
  fault: SpoiledAnswer,
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, headers, body } = await ask(upstream, request);
  const half = body.subarray(0, Math.floor(body.length / 2));
  const whole = { ...headers, "content-length": `${body.length}` };
  const { "content-length": _length, ...unsized } = headers;
  switch (fault) {
    case "cut in the middle":
      response.writeHead(status, whole);
      response.flushHeaders();
      // A client whose connection breaks may drop what it has not handed on yet: it gets this long for that.
      response.write(half, () => setTimeout(() => response.destroy(), 20));
      return;
    case "stalled in the middle":
      response.writeHead(status, whole);
      response.flushHeaders();
      response.write(half);
      return;
    case "corrupt":
    case "other content of the same length": {
      const changed = Buffer.from(body);
      if (fault === "corrupt") changed[half.length] = (changed[half.length] ?? 0) ^ 1;
      else changed.fill("x");
      response.writeHead(status, whole).end(changed);
      return;
    }
    case "longer than it says":
    case "shorter than it says": {
      const said = fault === "longer than it says" ? half.length : body.length + 10;
      raw(response, [head(status, { ...headers, "content-length": `${said}` }), body]);
      return;
    }
    case "longer than it should be":
      response.writeHead(status, { ...whole, "content-length": `${body.length + 5}` });
      response.end(Buffer.concat([body, Buffer.from("extra")]));
      return;
    case "shorter than it should be":
      response.writeHead(status, { ...whole, "content-length": `${half.length}` }).end(half);
      return;
    case "dripping":
      response.writeHead(status, whole);
      response.flushHeaders();
      await drip(response, body);
      return;
    case "in chunks that end too early":
      raw(response, [
        head(status, { ...unsized, "transfer-encoding": "chunked" }),
        Buffer.from(`${body.length.toString(16)}\r\n`),
        half,
      ]);
      return;
    case "with headers that are none":
      raw(response, [Buffer.from("HTTP/1.1 200 OK\r\n\0\x01 no header\r\n: : :\r\n\r\n"), body]);
      return;
    default:
      fault satisfies never;
  }
}

/** A byte now and then, for as long as anybody listens. */
async function drip(response: ServerResponse, body: Buffer): Promise<void> {
  for (const byte of body) {
    if (response.destroyed) return;
    response.write(Buffer.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  response.end();
}

function head(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} Answer\r\n${lines.join("")}\r\n`);
}

/** Says it as it is, and hangs up. */
function raw(response: ServerResponse, pieces: readonly Buffer[]): void {
  response.socket?.end(Buffer.concat(pieces));
}

async function drained(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
