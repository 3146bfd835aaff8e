// Joins a guest's flows of datagrams to sockets of the host. A flow is a port of the guest's and the address and port that it
// sends to; it ends when nothing has come or gone for a while, or when another needs its place.

import type { Deadline, UdpSocket } from "@kelpie/platform";
import type { Opened } from "./egress.ts";
import { unreachable } from "./packets/icmp.ts";
import { headerBytesOf, type IpPacket } from "./packets/ip.ts";
import { parseUdp, udpFrame, udpHeaderBytes } from "./packets/transport.ts";
import { mtu } from "./plan.ts";
import type { RelayOptions } from "./tcp-relay.ts";
import { type ConnectionEnds, keyOf } from "./wire.ts";

const limits = {
  flows: 256,
  /** RFC 4787, section 4.3: at least two minutes. */
  idleMs: 120_000,
  /** Datagrams that wait while the host looks up the name. */
  waiting: 32,
} as const;

/** What is needed to send an error about a datagram (RFC 1122, section 3.2.2). */
const keptBytes = 1280;

interface Flow {
  readonly ends: ConnectionEnds;
  readonly waiting: Uint8Array[];
  opened: Opened<UdpSocket> | undefined;
  /** What an error about the flow quotes. */
  readonly firstPacket: IpPacket;
  wasUsed: boolean;
  idle: Deadline | undefined;
  sentBytes: number;
  receivedBytes: number;
}

/** See the head of this file. */
export class UdpRelay {
  readonly #options: RelayOptions;
  /** In the order of their last use. */
  readonly #flows = new Map<string, Flow>();
  /** Lookups and sockets under way: they go on when their flow has lost its place. */
  #opening = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** A packet of the guest's. */
  take(packet: IpPacket): void {
    const datagram = parseUdp(packet);
    if (datagram === undefined) return;
    const { destinationPort: port, sourcePort: guestPort, payload } = datagram;
    const key = keyOf({ address: packet.destination, port, guestPort });
    const known = this.#flows.get(key);
    // As on any network: what finds no room is lost.
    if (known === undefined && this.#opening >= limits.flows) return;
    const flow = known ?? this.#begin(key, packet, port, guestPort);
    this.#use(key, flow);
    if (flow.opened === undefined) {
      if (flow.waiting.length < limits.waiting) flow.waiting.push(payload.slice());
      return;
    }
    flow.sentBytes += payload.length;
    flow.opened.connection.send(payload);
  }

  reset(): void {
    for (const [key, flow] of this.#flows) this.#end(key, flow, "the sandbox ended");
  }

  #begin(key: string, packet: IpPacket, port: number, guestPort: number): Flow {
    const flow: Flow = {
      ends: { address: packet.destination.slice(), port, guestPort },
      waiting: [],
      opened: undefined,
      firstPacket: keptOf(packet),
      wasUsed: false,
      idle: undefined,
      sentBytes: 0,
      receivedBytes: 0,
    };
    if (this.#flows.size >= limits.flows) {
      const [oldest] = this.#flows;
      if (oldest !== undefined) this.#end(oldest[0], oldest[1], undefined);
    }
    this.#flows.set(key, flow);
    void this.#open(key, flow);
    return flow;
  }

  async #open(key: string, flow: Flow): Promise<void> {
    const { egress, signal, wire } = this.#options;
    const { address, port } = flow.ends;
    this.#opening += 1;
    const opened = await egress.connectUdp(address, port, signal).catch(() => undefined);
    this.#opening -= 1;
    const isGone = this.#flows.get(key) !== flow || signal.aborted;
    if (opened === undefined) {
      if (isGone) return;
      this.#flows.delete(key);
      wire.send(unreachable(wire.endsFrom(address), flow.firstPacket, "port"));
      return;
    }
    if (isGone) {
      opened.connection.close();
      return;
    }
    this.#serve(key, flow, opened);
  }

  #serve(key: string, flow: Flow, opened: Opened<UdpSocket>): void {
    const { wire } = this.#options;
    const { address, port, guestPort } = flow.ends;
    const largest = mtu - headerBytesOf(address) - udpHeaderBytes;
    flow.opened = opened;
    opened.connection.listen({
      onDatagram: (payload) => {
        // As on any network: what does not fit or finds no room is lost.
        if (payload.length > largest || wire.isCongested) return;
        flow.receivedBytes += payload.length;
        this.#use(key, flow);
        const datagram = { sourcePort: port, destinationPort: guestPort, payload };
        wire.send(udpFrame(wire.endsFrom(address), datagram));
      },
      onError: (failure) => {
        this.#end(key, flow, failure);
        wire.send(unreachable(wire.endsFrom(address), flow.firstPacket, "port"));
      },
    });
    for (const payload of flow.waiting.splice(0)) {
      flow.sentBytes += payload.length;
      opened.connection.send(payload);
    }
    this.#watch(key, flow);
  }

  #watch(key: string, flow: Flow): void {
    const idle = this.#options.clock.deadline(limits.idleMs, "A datagram");
    flow.idle = idle;
    flow.wasUsed = false;
    idle.signal.addEventListener(
      "abort",
      () => {
        if (flow.idle !== idle) return;
        idle[Symbol.dispose]();
        if (flow.wasUsed) this.#watch(key, flow);
        else this.#end(key, flow, undefined);
      },
      { once: true },
    );
  }

  #use(key: string, flow: Flow): void {
    flow.wasUsed = true;
    if (this.#flows.get(key) !== flow) return;
    this.#flows.delete(key);
    this.#flows.set(key, flow);
  }

  #end(key: string, flow: Flow, failure: string | undefined): void {
    if (this.#flows.get(key) !== flow) return;
    this.#flows.delete(key);
    flow.idle?.[Symbol.dispose]();
    flow.idle = undefined;
    const { opened, sentBytes, receivedBytes } = flow;
    if (opened === undefined) return;
    opened.connection.close();
    const counts = { id: opened.id, sentBytes, receivedBytes };
    this.#options.log.add({
      event: "closed",
      ...counts,
      ...(failure === undefined ? {} : { failure }),
    });
  }
}

/** Of a packet what an error quotes, apart from the bytes that it came in. */
function keptOf(packet: IpPacket): IpPacket {
  const { protocol } = packet;
  const bytes = packet.bytes.slice(0, keptBytes);
  return {
    protocol,
    bytes,
    source: packet.source.slice(),
    destination: packet.destination.slice(),
    payload: bytes.subarray(headerBytesOf(packet.source)),
  };
}
