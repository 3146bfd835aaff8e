// What a guest did on the network: one line of JSON for each event, in a file of bounded size.

import { type Clock, type FileHandle, type Files } from "@kelpie/platform";

/** An event of the log. `host` is the name that the guest used, or the address where it used none. */
export type NetworkEvent =
  /** A name that no rule knows was looked up, and denied. */
  | { readonly event: "name-denied"; readonly host: string }
  /** A connection was denied, with the reason. */
  | (Endpoint & { readonly event: "denied"; readonly reason: DenialReason })
  /** What is neither TCP nor UDP was denied: the number of its protocol (1 and 58 are ping). */
  | {
      readonly event: "denied";
      readonly host: string;
      readonly protocol: number;
      readonly reason: DenialReason;
    }
  /** A connection was allowed, and could not be made. */
  | (Endpoint & { readonly event: "failed"; readonly reason: string })
  | (Endpoint & { readonly event: "connected"; readonly id: number; readonly address: string })
  /** A connection into the guest through a published port. */
  | { readonly event: "published"; readonly id: number; readonly port: number; readonly transport?: "udp" }
  /** A connection through a published port that was not taken in. */
  | { readonly event: "turned-away"; readonly port: number; readonly reason: DenialReason }
  | {
      readonly event: "closed";
      readonly id: number;
      readonly sentBytes: number;
      readonly receivedBytes: number;
      readonly failure?: string;
    };

/** What a connection was to; by TCP, unless it says otherwise. */
interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly transport?: "udp";
}

export type DenialReason = "not-allowed" | "private-address" | "too-many" | "log-full";

/** When this many bytes are written, nothing more is allowed: what cannot be logged is not done. */
const logLimitBytes = 32 << 20;
/** Kept back for the ends of connections that are open then. */
const reserveBytes = 1 << 20;

/** See the head of this file. */
export class ConnectionLog implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #file: FileHandle;
  #writtenBytes = 0;
  #pending: Promise<void> = Promise.resolve();

  private constructor(clock: Clock, file: FileHandle) {
    this.#clock = clock;
    this.#file = file;
  }

  /** Creates the file, or begins it anew. */
  static async open(
    { files, clock }: { readonly files: Files; readonly clock: Clock },
    path: string,
  ): Promise<ConnectionLog> {
    return new ConnectionLog(clock, await files.open(path, "replace", 0o600));
  }

  get isFull(): boolean {
    return this.#writtenBytes > logLimitBytes - reserveBytes;
  }

  add(event: NetworkEvent): void {
    if (this.isFull && event.event !== "closed") return;
    const line = Buffer.from(`${JSON.stringify({ time: timeOf(this.#clock.nowMs()), ...event })}\n`);
    if (this.#writtenBytes + line.length > logLimitBytes) return;
    const position = this.#writtenBytes;
    this.#writtenBytes += line.length;
    this.#pending = this.#pending.then(() => this.#file.write(line, position)).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pending;
    await this.#file.close();
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
