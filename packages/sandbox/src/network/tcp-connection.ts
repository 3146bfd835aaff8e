// One TCP connection with a guest (RFC 9293), joined to a byte stream of the host.
//
// The link is a Unix socket: it neither loses nor reorders, but a guest may drop what it has no memory for. So what is not
// acknowledged in time is sent again from there on, and what comes out of order is left for the guest to send again; there is
// no congestion control. Whatever a guest sends, a connection holds at most {@link tcpLimits} of it.

import type { Duplex } from "node:stream";
import type { Clock, Deadline } from "@kelpie/platform";
import { tcpFlag, type TcpSegment } from "./packets/transport.ts";

const tcpLimits = {
  /** Bytes that wait for the host's stream to take them: what the guest may send ahead. */
  receiveBytes: 256 << 10,
  /** Bytes that wait for the guest's acknowledgement. */
  sendBytes: 256 << 10,
  /** How often the same byte is sent before the connection is given up. */
  attempts: 8,
} as const;

const windowScale = 4;
const firstRetryMs = 1_000;
const longestRetryMs = 8_000;
const defaultMaxSegment = 536;
/** So often the same acknowledgement, and what follows it is lost (RFC 5681, section 3.2). */
const repeatsOfLoss = 3;

/** `opening` is our SYN, or our answer to the guest's, without its acknowledgement. */
type State = "opening" | "open" | "closed";

/** What a connection needs of the network around it. */
export interface TcpHost {
  readonly clock: Clock;
  /** Our side's largest segment. */
  readonly maxSegment: number;
  /** Whether the link takes more: if not, `pump` is called when it does. */
  readonly canSend: () => boolean;
  readonly send: (segment: Omit<TcpSegment, "sourcePort" | "destinationPort">) => void;
  /** Called once, when nothing more will be sent or taken. */
  readonly onClosed: (counts: TcpCounts) => void;
}

/** Bytes from the guest and to it. */
export interface TcpCounts {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** How it ended, where it did not end in order. */
  readonly failure?: string;
}

/** Sequence numbers wrap: how far `a` is behind `b`, negative where it is before it. */
function distance(a: number, b: number): number {
  return (a - b) | 0;
}

/** See the head of this file. */
export class TcpConnection {
  readonly #host: TcpHost;
  readonly #stream: Duplex;
  readonly #isActive: boolean;
  #state: State = "opening";
  /** The first byte that is not acknowledged, and the next to send. */
  #unacknowledged: number;
  #next: number;
  /** Behind the last byte that was ever sent: `#next` goes back when something was lost. */
  #highest: number;
  /** The next byte expected of the guest. */
  #expected: number;
  #guestWindow: number;
  #guestScale = 0;
  /** Scaling is for both directions or none. */
  #scale: number | undefined = windowScale;
  #maxSegment = defaultMaxSegment;
  /** Bytes from `#unacknowledged` on, less a SYN. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #streamEnded = false;
  #finSent = false;
  #finTaken = false;
  #repeated = 0;
  #guestEnded = false;
  #waitingBytes = 0;
  #offeredEdge = 0;
  #retry: Deadline | undefined;
  #attempts = 0;
  #retryMs = firstRetryMs;
  #sentBytes = 0;
  #receivedBytes = 0;

  /** `syn` is the guest's, or undefined where we open the connection. `initial` is random. */
  constructor(host: TcpHost, stream: Duplex, initial: number, syn?: TcpSegment) {
    this.#host = host;
    this.#stream = stream;
    this.#unacknowledged = initial >>> 0;
    this.#next = initial >>> 0;
    this.#highest = initial >>> 0;
    this.#isActive = syn === undefined;
    this.#expected = 0;
    this.#guestWindow = 0;
    if (syn !== undefined) this.#meet(syn);
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.once("end", () => {
      this.#streamEnded = true;
      this.pump();
    });
    stream.once("error", (error) => this.reset(error.message));
    stream.once("close", () => {
      if (!this.#streamEnded) this.reset("the other end was closed");
    });
    stream.pause();
    this.#sendSyn();
    this.#startRetry();
  }

  /** What the guest sent for this connection. */
  receive(segment: TcpSegment): void {
    if (this.#state === "closed") return;
    const { flags } = segment;
    if ((flags & tcpFlag.rst) !== 0) {
      // Only one that is in the window: what else is a stray of an older connection.
      if (this.#state === "opening" || distance(segment.sequence, this.#expected) === 0) {
        this.#close(
          this.#isActive && this.#state === "opening" ? "refused by the guest" : "reset by the guest",
        );
      }
      return;
    }
    if ((flags & tcpFlag.syn) !== 0) {
      if (this.#isActive && this.#state === "opening" && (flags & tcpFlag.ack) !== 0) this.#meet(segment);
      // A SYN that comes again has lost our answer.
      else if (this.#state === "opening") this.#sendSyn();
      else this.#acknowledge();
    }
    if ((flags & tcpFlag.ack) !== 0) this.#takeAcknowledgement(segment);
    if (this.#state === "open") this.#takePayload(segment);
    this.pump();
  }

  /** Sends what may be sent now. */
  pump(): void {
    if (this.#state !== "open") return;
    const maxSegment = Math.min(this.#maxSegment, this.#host.maxSegment);
    while (this.#host.canSend()) {
      const inFlight = distance(this.#next, this.#unacknowledged);
      const unsent = this.#queuedBytes - inFlight;
      const room = this.#guestWindow - inFlight;
      const size = Math.min(unsent, room, maxSegment);
      if (this.#finSent || size <= 0) break;
      this.#sendBytes(inFlight, size);
    }
    const isAllSent = distance(this.#next, this.#unacknowledged) === this.#queuedBytes;
    const isFinDue = this.#streamEnded && !this.#finSent && !this.#finTaken;
    if (isFinDue && isAllSent && this.#host.canSend()) {
      this.#finSent = true;
      this.#emit(tcpFlag.fin | tcpFlag.ack, this.#next);
      this.#advance((this.#next + 1) >>> 0);
    }
    if (this.#queuedBytes < tcpLimits.sendBytes && !this.#streamEnded) this.#stream.resume();
    if (this.#isUnfinished()) this.#startRetry();
    this.#closeIfOver();
  }

  /** Ends it at once, and tells the guest. */
  reset(failure: string): void {
    if (this.#state === "closed") return;
    this.#emit(tcpFlag.rst | tcpFlag.ack, this.#next);
    this.#close(failure);
  }

  /** The guest's SYN: where its numbers start, and what it can take. */
  #meet(syn: TcpSegment): void {
    this.#expected = (syn.sequence + 1) >>> 0;
    this.#maxSegment = Math.max(syn.maxSegment ?? defaultMaxSegment, 64);
    this.#guestScale = syn.windowScale ?? 0;
    if (syn.windowScale === undefined) this.#scale = undefined;
    this.#guestWindow = syn.window;
  }

  #takeAcknowledgement({ acknowledgement, window, flags, payload }: TcpSegment): void {
    const isNews = distance(acknowledgement, this.#unacknowledged);
    if (isNews < 0 || distance(acknowledgement, this.#highest) > 0) {
      if (this.#state === "opening") this.reset("an acknowledgement of what was not sent");
      return;
    }
    const newWindow = (flags & tcpFlag.syn) === 0 ? window * 2 ** this.#guestScale : window;
    const isRepeated = isNews === 0 && payload.length === 0 && newWindow === this.#guestWindow;
    this.#guestWindow = newWindow;
    // Whoever answers is there, were it only to say that its window is shut.
    this.#attempts = 0;
    if (isNews === 0) {
      this.#repeated = isRepeated && this.#isUnfinished() ? this.#repeated + 1 : 0;
      if (this.#repeated === repeatsOfLoss) this.#goBack();
      return;
    }
    this.#repeated = 0;
    this.#retryMs = firstRetryMs;
    this.#stopRetry();
    if (this.#state === "opening") {
      this.#state = "open";
      if (this.#isActive) this.#acknowledge();
    } else {
      const bytes = Math.min(isNews, this.#queuedBytes);
      this.#finTaken ||= isNews > bytes;
      this.#drop(bytes);
      this.#sentBytes += bytes;
    }
    this.#unacknowledged = acknowledgement;
    if (distance(acknowledgement, this.#next) > 0) this.#next = acknowledgement;
  }

  /** Something was lost: all that is not acknowledged is sent again. */
  #goBack(): void {
    if (this.#state !== "open") return;
    this.#next = this.#unacknowledged;
    this.#finSent = false;
  }

  #advance(next: number): void {
    this.#next = next;
    if (distance(next, this.#highest) > 0) this.#highest = next;
  }

  #takePayload({ sequence, payload, flags }: TcpSegment): void {
    const hasFin = (flags & tcpFlag.fin) !== 0;
    if (payload.length === 0 && !hasFin) return;
    const known = distance(this.#expected, sequence);
    // Something before it is missing, or all of it is known: what is expected is said again.
    if (known < 0 || known > payload.length || this.#guestEnded) {
      this.#acknowledge();
      return;
    }
    const room = tcpLimits.receiveBytes - this.#waitingBytes;
    const fresh = payload.subarray(known);
    const taken = fresh.slice(0, room);
    this.#expected = (this.#expected + taken.length) >>> 0;
    this.#receivedBytes += taken.length;
    if (taken.length > 0) {
      this.#waitingBytes += taken.length;
      this.#stream.write(taken, () => {
        this.#waitingBytes -= taken.length;
        this.#offerMore();
      });
    }
    if (hasFin && taken.length === fresh.length) {
      this.#expected = (this.#expected + 1) >>> 0;
      this.#guestEnded = true;
      this.#stream.end();
    }
    this.#acknowledge();
  }

  /** Once half of the window is free again that was closed. */
  #offerMore(): void {
    if (this.#state !== "open" || this.#guestEnded) return;
    const edge = this.#expected + tcpLimits.receiveBytes - this.#waitingBytes;
    if (distance(edge >>> 0, this.#offeredEdge) >= tcpLimits.receiveBytes / 2) this.#acknowledge();
  }

  #take(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= tcpLimits.sendBytes || this.#state !== "open") this.#stream.pause();
    this.pump();
  }

  #sendSyn(): void {
    const flags = this.#isActive ? tcpFlag.syn : tcpFlag.syn | tcpFlag.ack;
    this.#advance((this.#unacknowledged + 1) >>> 0);
    const scale = this.#scale === undefined ? {} : { windowScale: this.#scale };
    this.#emit(flags, this.#unacknowledged, noBytes, { maxSegment: this.#host.maxSegment, ...scale });
  }

  #sendBytes(from: number, size: number): void {
    const payload = new Uint8Array(size);
    let skip = from;
    let filled = 0;
    for (const chunk of this.#queue) {
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + size - filled);
      payload.set(part, filled);
      filled += part.length;
      skip = 0;
      if (filled === size) break;
    }
    this.#emit(tcpFlag.ack | tcpFlag.psh, (this.#unacknowledged + from) >>> 0, payload);
    const end = (this.#unacknowledged + from + size) >>> 0;
    if (distance(end, this.#next) > 0) this.#advance(end);
  }

  #acknowledge(): void {
    this.#emit(tcpFlag.ack, this.#next);
  }

  #emit(
    flags: number,
    sequence: number,
    payload: Uint8Array = noBytes,
    options: { readonly maxSegment?: number; readonly windowScale?: number } = {},
  ): void {
    const free = Math.max(tcpLimits.receiveBytes - this.#waitingBytes, 0);
    const isSyn = (flags & tcpFlag.syn) !== 0;
    this.#offeredEdge = (this.#expected + free) >>> 0;
    this.#host.send({
      flags,
      sequence,
      acknowledgement: (flags & tcpFlag.ack) === 0 ? 0 : this.#expected,
      window: Math.min(isSyn ? free : free >>> (this.#scale ?? 0), 0xffff),
      payload,
      ...options,
    });
  }

  #drop(bytes: number): void {
    let left = bytes;
    this.#queuedBytes -= bytes;
    for (let first = this.#queue[0]; first !== undefined && left > 0; first = this.#queue[0]) {
      if (first.length > left) {
        this.#queue[0] = first.subarray(left);
        return;
      }
      left -= first.length;
      this.#queue.shift();
    }
  }

  /** Whether anything waits for the guest: its acknowledgement, or room in its window. */
  #isUnfinished(): boolean {
    return this.#queuedBytes > 0 || distance(this.#highest, this.#unacknowledged) > 0;
  }

  #startRetry(): void {
    if (this.#retry !== undefined) return;
    const retry = this.#host.clock.deadline(this.#retryMs, "An acknowledgement");
    this.#retry = retry;
    retry.signal.addEventListener("abort", () => this.#tryAgain(retry), { once: true });
  }

  #stopRetry(): void {
    this.#retry?.[Symbol.dispose]();
    this.#retry = undefined;
  }

  #tryAgain(retry: Deadline): void {
    if (this.#retry !== retry) return;
    this.#stopRetry();
    if (this.#state === "closed") return;
    this.#attempts += 1;
    if (this.#attempts > tcpLimits.attempts) {
      this.reset("the guest does not answer");
      return;
    }
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    if (this.#state === "opening") this.#sendSyn();
    else {
      this.#goBack();
      // A byte where the window is shut: its answer says whether it still is.
      if (this.#guestWindow === 0 && this.#queuedBytes > 0) this.#sendBytes(0, 1);
    }
    this.pump();
    this.#startRetry();
  }

  #closeIfOver(): void {
    if (this.#finTaken && this.#guestEnded) this.#close(undefined);
  }

  #close(failure: string | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopRetry();
    this.#queue = [];
    // In order, the last bytes to the host are still under way.
    if (failure !== undefined) this.#stream.destroy();
    const counts = { sentBytes: this.#receivedBytes, receivedBytes: this.#sentBytes };
    this.#host.onClosed(failure === undefined ? counts : { ...counts, failure });
  }
}

const noBytes = new Uint8Array(0);
