// A link to an agent that stale bytes precede, that ends at any byte, and that may end in garbage instead of with an end.

import type { Duplex } from "node:stream";
import { socketPair } from "./socket-pair.ts";

/** A hello and its answer, 145 bytes: a handshake that is garbled is waited out, so that one is only cut. */
const handshakeBytes = 150;
const instanceLine = /KELPIE-INSTANCE ([0-9a-f]{32})\n/;

/** What happens on a link. */
export interface LinkEvents {
  /** A session begins with this instance of the agent. */
  readonly onInstance: (instanceId: string) => void;
  readonly onCut: () => void;
}

/** `stream` with such a fate, which `random` chooses. */
export async function hostileLink(
  stream: Duplex,
  random: () => number,
  { onInstance, onCut }: LinkEvents,
): Promise<Duplex> {
  if (random() < 0.3) stream.write(Buffer.from("\0\0\u0009stale KELPIE-HELLO 1 00"));
  const garbles = random() < 0.4;
  const least = garbles ? handshakeBytes : 1;
  let greeting = "";
  stream.on("data", (chunk: Buffer) => {
    if (greeting.length > handshakeBytes) return;
    greeting += chunk.toString("latin1");
    const instanceId = instanceLine.exec(greeting)?.[1];
    if (instanceId === undefined) return;
    onInstance(instanceId);
    greeting = " ".repeat(handshakeBytes + 1);
  });
  const frames = new FrameCount();
  const size = least + Math.trunc(random() ** 3 * 200_000);
  return await endingAfter(
    stream,
    size,
    (bytes) => frames.push(bytes),
    () => {
      onCut();
      // In a frame it would be payload: HTTP/2 cannot tell, and a port loses bytes but makes none up.
      if (garbles && frames.isBetween) stream.write(Buffer.from("KELPIE garbage"));
      else stream.destroy();
    },
  );
}

/** Where the host's bytes stand: in a frame, or between two (RFC 9113, section 4.1). */
class FrameCount {
  /** The hello and the connection preface come first. */
  #left = 48 + 24;
  #header: number[] = [];

  get isBetween(): boolean {
    return this.#left === 0 && this.#header.length === 0;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const skipped = Math.min(this.#left, bytes.length - at);
      this.#left -= skipped;
      at += skipped;
      if (at === bytes.length) return;
      this.#header.push(bytes[at++] ?? 0);
      if (this.#header.length < 9) continue;
      this.#left = Buffer.from(this.#header).readUIntBE(0, 3);
      this.#header = [];
    }
  }
}

/** `stream`, on which `onEnd` is called at this very byte of what goes either way, and nothing passes after it. */
async function endingAfter(
  stream: Duplex,
  sizeBytes: number,
  onSent: (bytes: Uint8Array) => void,
  onEnd: () => void,
): Promise<Duplex> {
  const [ours, inner] = await socketPair();
  let left = sizeBytes;
  const pass = (from: Duplex, to: Duplex): void => {
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
    // An end that the host's side lets go of: the port has to be free for its next session.
    from.on("end", () => to.destroy());
    from.on("data", (chunk: Buffer) => {
      if (left <= 0) return;
      if (to === stream) onSent(chunk.subarray(0, left));
      if (!to.destroyed && !to.write(chunk.subarray(0, left))) {
        from.pause();
        to.once("drain", () => from.resume());
      }
      left -= chunk.length;
      if (left <= 0) onEnd();
    });
  };
  pass(stream, inner);
  pass(inner, stream);
  return ours;
}
