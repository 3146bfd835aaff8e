// Joins a guest's TCP connections to sockets of the host, and those to published ports to the guest.

import type { Duplex } from "node:stream";
import type { Clock, Random } from "@kelpie/platform";
import type { IpAddress } from "./address.ts";
import type { ConnectionLog } from "./connection-log.ts";
import type { Egress } from "./egress.ts";
import { headerBytesOf, type IpPacket } from "./packets/ip.ts";
import { parseTcp, tcpFlag, tcpFrame, tcpHeaderBytes, type TcpSegment } from "./packets/transport.ts";
import { gatewayAddress, mtu } from "./plan.ts";
import { TcpConnection, type TcpHost } from "./tcp-connection.ts";
import { type ConnectionEnds, keyOf, type Wire } from "./wire.ts";

/** Connections at once, those that are being made included. */
const maxConnections = 256;
const firstEphemeralPort = 32_768;

export interface RelayOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly wire: Wire;
  readonly egress: Egress;
  readonly log: ConnectionLog;
  readonly signal: AbortSignal;
}

/** See the head of this file. */
export class TcpRelay {
  readonly #options: RelayOptions;
  /** Undefined while the host connects. */
  readonly #connections = new Map<string, TcpConnection | undefined>();
  #lastPort = firstEphemeralPort;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** The link takes more. */
  pump(): void {
    for (const connection of this.#connections.values()) connection?.pump();
  }

  reset(failure: string): void {
    for (const connection of this.#connections.values()) connection?.reset(failure);
  }

  /** A packet of the guest's. */
  take(packet: IpPacket): void {
    const segment = parseTcp(packet);
    if (segment === undefined) return;
    const { destinationPort: port, sourcePort: guestPort } = segment;
    const key = keyOf({ address: packet.destination, port, guestPort });
    const connection = this.#connections.get(key);
    if (connection !== undefined) {
      connection.receive(segment);
      return;
    }
    if (this.#connections.has(key)) return;
    // It outlives the bytes that it came in.
    const ends = { address: packet.destination.slice(), port, guestPort };
    if ((segment.flags & (tcpFlag.syn | tcpFlag.ack | tcpFlag.rst)) === tcpFlag.syn)
      void this.#open(ends, segment);
    else if ((segment.flags & tcpFlag.rst) === 0) this.#refuse(ends, segment);
  }

  /** Joins a connection that came to a published port to the guest's port. */
  accept(stream: Duplex, guestPort: number): void {
    const { egress, log } = this.#options;
    stream.on("error", () => undefined);
    const port = this.#freePort(guestPort);
    if (port === undefined) {
      stream.destroy();
      log.add({ event: "turned-away", port: guestPort, reason: "too-many" });
      return;
    }
    const id = egress.nextId();
    log.add({ event: "published", id, port: guestPort });
    const ends = { address: gatewayAddress, port, guestPort };
    this.#connections.set(keyOf(ends), new TcpConnection(this.#hostFor(ends, id), stream, this.#initial()));
  }

  /** The host connects first, so that the guest meets what it would meet there: an answer, or a refusal. */
  async #open(ends: ConnectionEnds, syn: TcpSegment): Promise<void> {
    const { egress, signal } = this.#options;
    if (this.#connections.size >= maxConnections) {
      egress.deny(ends.address, { transport: "tcp", port: ends.port }, "too-many");
      this.#refuse(ends, syn);
      return;
    }
    const key = keyOf(ends);
    this.#connections.set(key, undefined);
    const opened = await egress.connectTcp(ends.address, ends.port, signal).catch(() => undefined);
    if (opened === undefined || signal.aborted) {
      opened?.connection.destroy();
      this.#connections.delete(key);
      this.#refuse(ends, syn);
      return;
    }
    const host = this.#hostFor(ends, opened.id);
    this.#connections.set(key, new TcpConnection(host, opened.connection, this.#initial(), syn));
  }

  #hostFor(ends: ConnectionEnds, id: number): TcpHost {
    const { clock, wire, log } = this.#options;
    const { address, port, guestPort } = ends;
    return {
      clock,
      maxSegment: largestSegment(address),
      canSend: () => !wire.isCongested,
      send: (segment) => {
        const whole = { ...segment, sourcePort: port, destinationPort: guestPort };
        wire.send(tcpFrame(wire.endsFrom(address), whole));
      },
      onClosed: (counts) => {
        this.#connections.delete(keyOf(ends));
        log.add({ event: "closed", id, ...counts });
      },
    };
  }

  /** RFC 9293, section 3.5.2: the reset of a connection that there is none of. */
  #refuse({ address, port, guestPort }: ConnectionEnds, segment: TcpSegment): void {
    const { flags, sequence, acknowledgement, payload } = segment;
    const hasAck = (flags & tcpFlag.ack) !== 0;
    const length = payload.length + ((flags & (tcpFlag.syn | tcpFlag.fin)) === 0 ? 0 : 1);
    const reset = {
      sourcePort: port,
      destinationPort: guestPort,
      sequence: hasAck ? acknowledgement : 0,
      acknowledgement: hasAck ? 0 : (sequence + length) >>> 0,
      flags: hasAck ? tcpFlag.rst : tcpFlag.rst | tcpFlag.ack,
      window: 0,
      payload: new Uint8Array(0),
    };
    const { wire } = this.#options;
    wire.send(tcpFrame(wire.endsFrom(address), reset));
  }

  #freePort(guestPort: number): number | undefined {
    if (this.#connections.size >= maxConnections) return undefined;
    for (;;) {
      this.#lastPort = this.#lastPort >= 65_535 ? firstEphemeralPort : this.#lastPort + 1;
      const ends = { address: gatewayAddress, port: this.#lastPort, guestPort };
      if (!this.#connections.has(keyOf(ends))) return this.#lastPort;
    }
  }

  #initial(): number {
    return new DataView(this.#options.random.bytes(4).slice().buffer).getUint32(0);
  }
}

function largestSegment(address: IpAddress): number {
  return mtu - headerBytesOf(address) - tcpHeaderBytes;
}
