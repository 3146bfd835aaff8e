// Real sockets and HTTP.

import { createSocket } from "node:dgram";
import { createConnection, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { KelpieError } from "../errors.ts";
import type { HttpRequest, HttpResponse, Listener, Network, TcpListener, UdpSocket } from "../network.ts";
import { cancelled } from "./clock.ts";

async function request(url: string, options: HttpRequest = {}): Promise<HttpResponse> {
  const { method = "GET", headers = {}, body, redirect = "follow", signal } = options;
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers },
      redirect,
      ...(body === undefined ? {} : { body: requestBody(body), duplex: "half" }),
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      status: response.status,
      url: response.url,
      headers: new Map(response.headers),
      body: responseBody(response.body, url, signal),
    };
  } catch (cause) {
    throw unreachable(url, cause, signal);
  }
}

/** Bytes or chunks in the form that `fetch` takes. */
function requestBody(
  body: Uint8Array | AsyncIterable<Uint8Array>,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  return body instanceof Uint8Array ? new Uint8Array(body) : ReadableStream.from(body);
}

async function* responseBody(
  body: ReadableStream<Uint8Array> | null,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  try {
    for await (const chunk of body) yield chunk;
  } catch (cause) {
    throw unreachable(url, cause, signal);
  }
}

function unreachable(url: string, cause: unknown, signal: AbortSignal | undefined): KelpieError {
  if (signal?.aborted === true) return cancelled(signal);
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return new KelpieError("unreachable", `Cannot reach ${url}`, {
    found: reason instanceof Error ? reason.message : String(reason),
    cause,
  });
}

function connectUnix(path: string, signal?: AbortSignal): Promise<Duplex> {
  return open(() => createConnection({ path }), path, signal);
}

function connectTcp(address: string, port: number, signal?: AbortSignal): Promise<Duplex> {
  const connect = (): Socket => createConnection({ host: address, port, allowHalfOpen: true, noDelay: true });
  return open(connect, `${address} port ${port}`, signal);
}

function open(connect: () => Socket, where: string, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelled(signal));
      return;
    }
    const socket = connect();
    const abort = (): void => void socket.destroy(cancelled(signal));
    const settle = (): void => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    socket.once("connect", () => {
      settle();
      socket.off("error", failed);
      resolve(socket);
    });
    const failed = (cause: NodeJS.ErrnoException): void => {
      settle();
      reject(
        KelpieError.is(cause)
          ? cause
          : new KelpieError(
              cause.code === "ENOENT" ? "not-found" : "unreachable",
              `Cannot connect to ${where}`,
              {
                found: cause.code ?? cause.message,
                cause,
              },
            ),
      );
    };
    socket.once("error", failed);
  });
}

/** Of one socket's datagrams, so much waits for the kernel to take them. */
const udpQueueBytes = 1 << 20;

async function connectUdp(address: string, port: number, signal?: AbortSignal): Promise<UdpSocket> {
  if (signal?.aborted === true) throw cancelled(signal);
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException | null | undefined): void => {
      if (cause === null || cause === undefined) {
        resolve();
        return;
      }
      socket.close();
      const found = cause.code ?? cause.message;
      reject(new KelpieError("unreachable", `Cannot send to ${address} port ${port}`, { found, cause }));
    };
    socket.once("error", failed);
    socket.connect(port, address, (...[error]: [(NodeJS.ErrnoException | null)?]) => {
      socket.off("error", failed);
      failed(error);
    });
  });
  // Without a listener an error event would end the process.
  socket.on("error", () => undefined);
  let isClosed = false;
  return {
    send: (payload) => {
      if (!isClosed && socket.getSendQueueSize() < udpQueueBytes) socket.send(payload, () => undefined);
    },
    listen: ({ onDatagram, onError }) => {
      socket.on("message", (payload) => onDatagram(payload));
      socket.on("error", (error) => onError(error.message));
    },
    close: () => {
      if (!isClosed) socket.close();
      isClosed = true;
    },
  };
}

async function listenUnix(path: string, onConnection: (connection: Duplex) => void): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  await listen(server, { path }, path);
  return { address: path, [Symbol.asyncDispose]: () => closed(server) };
}

async function listenTcp(
  address: string,
  port: number,
  onConnection: (connection: Duplex) => void,
): Promise<TcpListener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
  await listen(server, { host: address, port }, `${address} port ${port}`);
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    [Symbol.asyncDispose]: () => closed(server),
  };
}

function listen(server: Server, options: ListenOptions, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new KelpieError("in-use", `Cannot listen on ${where}`, { found: cause.message, cause })),
    );
    server.listen(options, resolve);
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

async function resolveName(name: string, signal?: AbortSignal): Promise<readonly string[]> {
  if (signal?.aborted === true) throw cancelled(signal);
  // Loaded only here: most programs look no name up, and the resolver reads its settings as it is loaded.
  const { lookup } = await import("node:dns/promises");
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}

export const realNetwork: Network = {
  request,
  connectUnix,
  listenUnix,
  resolveName,
  connectTcp,
  connectUdp,
  listenTcp,
};
