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
}

export interface Listener extends AsyncDisposable {
  /** The path of the Unix socket. */
  readonly address: string;
}
