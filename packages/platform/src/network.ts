// Sockets and HTTP, as an interface.

import type { Duplex } from "node:stream";

export interface HttpRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Default `follow`. Credentials never cross to another origin. */
  readonly redirect?: "follow" | "manual";
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** The address that answered, after redirects. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** The body as it arrives; must be read to its end or cancelled by its iterator's return. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Network {
  /** One HTTP exchange. Any status is a response; `unreachable` when there is none. */
  request(url: string, request?: HttpRequest): Promise<HttpResponse>;
  /** Connects to a Unix socket: `not-found` if there is none, `unreachable` if nobody listens. */
  connectUnix(path: string, signal?: AbortSignal): Promise<Duplex>;
  /** Listens on a Unix socket until disposed. */
  listenUnix(path: string, onConnection: (connection: Duplex) => void): Promise<Listener>;
  /** The IP addresses of a host name, IPv4 and IPv6, as this machine resolves it; none if it has none or does not exist. */
  resolveName(name: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** Connects to a TCP port of an IP address; its two directions end apart. `unreachable`, `cancelled`. */
  connectTcp(address: string, port: number, signal?: AbortSignal): Promise<Duplex>;
  /** A UDP socket that sends to, and hears from, one port of an IP address. `unreachable` where there is no way to it. */
  connectUdp(address: string, port: number, signal?: AbortSignal): Promise<UdpSocket>;
  /** Listens on a TCP port of an IP address until disposed; port 0 takes a free one. `in-use`. */
  listenTcp(address: string, port: number, onConnection: (connection: Duplex) => void): Promise<TcpListener>;
}

export interface Listener extends AsyncDisposable {
  /** The path of the Unix socket. */
  readonly address: string;
}

export interface TcpListener extends AsyncDisposable {
  readonly port: number;
}

/** Datagrams to one place and from it; any may be lost. */
export interface UdpSocket {
  /** Passes one on, or drops it where too many wait. */
  send(payload: Uint8Array): void;
  /** Called for each that comes, and once when the other end refuses them; what came before is lost. */
  listen(listener: {
    readonly onDatagram: (payload: Uint8Array) => void;
    readonly onError: (reason: string) => void;
  }): void;
  close(): void;
}
