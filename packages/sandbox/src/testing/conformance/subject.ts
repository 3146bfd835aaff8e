// An agent under test, whichever way it is reached: sessions of its own for whoever asks, which can be cut.

import type { Duplex } from "node:stream";
import { realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import { orAborted } from "../../or-aborted.ts";

/** A client with sessions of its own. Disposing it gives its place back. */
export interface Session extends AsyncDisposable {
  readonly client: AgentClient;
  /** Cuts the connection as a crash would, without a word. */
  readonly cut: () => void;
  /** Cuts it, and opens none again until then. */
  readonly leaveUntil: (back: Promise<unknown>) => void;
  /** Sends bytes of no session in the middle of one. */
  readonly inject: (bytes: Uint8Array) => void;
  /** How many connections it has opened. */
  readonly opened: () => number;
}

/** An agent under test. */
export interface Subject extends AsyncDisposable {
  /** A session; waits until a place is free. */
  readonly session: () => Promise<Session>;
  /** After how long a process is too slow: longer than many shells at once take to begin. */
  readonly slowAfterMs: number;
}

/** How a subject differs from others. */
export interface SubjectOptions {
  readonly slowAfterMs?: number;
  /** How a connection is cut; by default without a word. */
  readonly cut?: (stream: Duplex) => unknown;
}

/** Sessions over `places` (ports, or as many connections as one likes), each of which has one user at a time. */
export function subject(
  places: readonly number[],
  open: (place: number, signal: AbortSignal) => Promise<Duplex>,
  end: () => Promise<void>,
  { slowAfterMs = 2000, cut = (stream) => stream.destroy() }: SubjectOptions = {},
): Subject {
  const free = [...places];
  const waiting: ((place: number) => void)[] = [];
  const take = (): Promise<number> => {
    const place = free.shift();
    return place === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(place);
  };
  const giveBack = (place: number): void => {
    const next = waiting.shift();
    if (next === undefined) free.push(place);
    else next(place);
  };
  return {
    slowAfterMs,
    async session() {
      const place = await take();
      const streams: Duplex[] = [];
      let back: Promise<unknown> = Promise.resolve();
      const cutLast = (): void => {
        const stream = streams.at(-1);
        if (stream !== undefined) cut(stream);
      };
      const client = new AgentClient({
        ...realPlatform,
        // Found out sooner than usual, so that a test of silence does not take long.
        probe: { everyMs: 200, answerWithinMs: 1500 },
        async open(signal) {
          await orAborted(back, signal);
          const stream = await open(place, signal);
          stream.on("error", () => undefined);
          streams.push(stream);
          return stream;
        },
      });
      return {
        client,
        cut: cutLast,
        leaveUntil(wanted) {
          back = wanted;
          cutLast();
        },
        inject: (bytes) => streams.at(-1)?.write(bytes),
        opened: () => streams.length,
        async [Symbol.asyncDispose]() {
          await client[Symbol.asyncDispose]();
          giveBack(place);
        },
      };
    },
    [Symbol.asyncDispose]: end,
  };
}
