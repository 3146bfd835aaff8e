// An agent played byte by byte, so that it can break every rule below gRPC.

import type { Duplex } from "node:stream";
import { realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import { duplexPair } from "../duplex-pair.ts";
import { frameHeaderBytes, frameType } from "./frames.ts";

const prefaceBytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;
/** The rest of what the host says is not looked at. */
const longestLook = 64 << 10;

/** The attacker's end of one session. */
export interface Attacker {
  readonly write: (bytes: Uint8Array) => void;
  /** Writes one piece after the other, as fast as the host takes them, until it closes. */
  readonly flood: (next: () => Uint8Array) => void;
  readonly close: () => void;
  /** The stream of the host's first call. */
  readonly call: Promise<number>;
}

/** How to attack. */
export interface WireAttack {
  readonly name: string;
  /** What to say to a hello; the right answer when absent. */
  readonly greet?: (attacker: Attacker, nonce: string) => void;
  /** What to do once the session has begun. */
  readonly serve?: (attacker: Attacker) => void | Promise<void>;
}

/** A client of an attacker. */
export interface RawAgent extends AsyncDisposable {
  readonly client: AgentClient;
  /** The host's ends of all sessions so far. */
  readonly hostEnds: readonly Duplex[];
}

/** Attacks every session that the client opens. */
export function attack({ greet, serve }: WireAttack): RawAgent {
  const hostEnds: Duplex[] = [];
  const open = (): Promise<Duplex> => {
    const [host, guest] = duplexPair();
    hostEnds.push(host);
    guest.on("error", () => undefined);
    guest.once("end", () => guest.destroy());
    const call = Promise.withResolvers<number>();
    const attacker: Attacker = {
      write(bytes) {
        if (!guest.destroyed) guest.write(bytes);
      },
      flood: (next) => flood(guest, next),
      close: () => guest.destroy(),
      call: call.promise,
    };
    let look = Buffer.alloc(0);
    let isGreeted = false;
    guest.on("data", (bytes: Buffer) => {
      if (look.length < longestLook) look = Buffer.concat([look, bytes]);
      const hello = /^KELPIE-HELLO 1 (\w+)\n/.exec(look.toString("latin1"));
      if (hello === null) return;
      if (!isGreeted) {
        isGreeted = true;
        if (greet !== undefined) greet(attacker, hello[1] ?? "");
        else {
          attacker.write(Buffer.from(`KELPIE-READY 1 ${hello[1] ?? ""}\n`));
          void serve?.(attacker);
        }
      }
      const stream = firstCall(look.subarray(hello[0].length));
      if (stream !== undefined) call.resolve(stream);
    });
    return Promise.resolve(host);
  };
  const client = new AgentClient({ ...realPlatform, open });
  return { client, hostEnds, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

/** The stream of the first HEADERS frame behind the client's preface. */
function firstCall(bytes: Buffer): number | undefined {
  for (let at = prefaceBytes; at + frameHeaderBytes <= bytes.length; ) {
    if (bytes.readUInt8(at + 3) === frameType.headers) return bytes.readUInt32BE(at + 5);
    at += frameHeaderBytes + bytes.readUIntBE(at, 3);
  }
  return undefined;
}

function flood(guest: Duplex, next: () => Uint8Array): void {
  const more = (): void => {
    if (guest.destroyed) return;
    // A turn of the loop for everybody else: what is written to a host that is gone is taken at once.
    guest.write(next(), () => setImmediate(more));
  };
  more();
}
