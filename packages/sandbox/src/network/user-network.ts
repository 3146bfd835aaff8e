// A guest's network without privileges: answers its ARP, DNS and echo requests, and joins its TCP connections to sockets of
// the host, those only that are allowed. Nothing else of what it sends goes anywhere.

import type { Duplex } from "node:stream";
import type { Clock, Random } from "@kelpie/platform";
import { formatIpv4 } from "./address.ts";
import type { ConnectionLog } from "./connection-log.ts";
import { dnsResponse, parseDnsQuery } from "./dns.ts";
import type { Egress } from "./egress.ts";
import type { FrameLink } from "./frame-link.ts";
import {
  arpReply,
  echoReply,
  type Ends,
  etherType,
  type Ipv4Packet,
  type Mac,
  parseArpRequest,
  parseEthernet,
  parseIpv4Packet,
  parseTcp,
  parseUdp,
  protocol,
  tcpFlag,
  tcpFrame,
  type TcpSegment,
  udpFrame,
} from "./packets.ts";
import { gatewayAddress, guestAddress, guestMac, mtu, nameServerAddress } from "./plan.ts";
import { TcpConnection, type TcpHost } from "./tcp-connection.ts";

const networkLimits = {
  /** Connections at once, those that are being made included. */
  connections: 256,
  /** Questions to the name server that wait for an answer. */
  questions: 64,
} as const;

const domainPort = 53;
const headersBytes = 40;
const firstEphemeralPort = 32_768;
const maxToldDestinations = 1024;
const gatewayMac: Mac = Uint8Array.from([0x52, 0x55, 10, 0, 2, 2]);

export interface UserNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly link: FrameLink;
  readonly egress: Egress;
  readonly log: ConnectionLog;
  readonly signal: AbortSignal;
}

/** See the head of this file. */
export class UserNetwork {
  readonly #options: UserNetworkOptions;
  /** By the guest's port, our address and our port; undefined while the host connects. */
  readonly #connections = new Map<string, TcpConnection | undefined>();
  readonly #told = new Set<string>();
  readonly #guestMac: Mac = Uint8Array.from(guestMac.split(":").map((pair) => Number.parseInt(pair, 16)));
  #questions = 0;
  #lastPort = firstEphemeralPort;

  constructor(options: UserNetworkOptions) {
    this.#options = options;
    options.link.onDrain(() => {
      for (const connection of this.#connections.values()) connection?.pump();
    });
  }

  /** Serves the guest until its link ends; then its connections end too. `malformed` from the link. */
  async serve(): Promise<void> {
    const { link, signal } = this.#options;
    try {
      for await (const frame of link.frames()) {
        this.#take(frame);
        // Whoever does not read what we send is not read either.
        if (link.isCongested) await link.drained(signal);
      }
    } finally {
      for (const connection of this.#connections.values()) connection?.reset("the sandbox ended");
    }
  }

  /** Joins a connection that came to a published port to the guest's port. */
  accept(stream: Duplex, guestPort: number): void {
    const { egress, log } = this.#options;
    stream.on("error", () => undefined);
    const port = this.#freePort(guestPort);
    if (port === undefined) {
      stream.destroy();
      egress.deny("published", guestPort, "too-many");
      return;
    }
    const id = egress.nextId();
    log.add({ event: "published", id, port: guestPort });
    const ends = { address: gatewayAddress, port, guestPort };
    this.#connections.set(keyOf(ends), new TcpConnection(this.#hostFor(ends, id), stream, this.#initial()));
  }

  #take(bytes: Uint8Array): void {
    const frame = parseEthernet(bytes);
    if (frame === undefined) return;
    if (frame.type === etherType.arp) this.#takeArp(frame.payload);
    const packet = frame.type === etherType.ipv4 ? parseIpv4Packet(frame.payload) : undefined;
    if (packet?.source !== guestAddress) return;
    switch (packet.protocol) {
      case protocol.tcp:
        this.#takeTcp(packet);
        break;
      case protocol.udp:
        this.#takeUdp(packet);
        break;
      case protocol.icmp:
        if (packet.destination === gatewayAddress)
          this.#send(echoReply(this.#endsFrom(gatewayAddress), packet));
        break;
      default:
        break;
    }
  }

  /** Both addresses that are ours are the gateway's; the guest's own must stay unanswered. */
  #takeArp(payload: Uint8Array): void {
    const request = parseArpRequest(payload);
    if (request === undefined) return;
    if (request.target !== gatewayAddress && request.target !== nameServerAddress) return;
    this.#send(arpReply(gatewayMac, request.target, request.sender, request.senderAddress));
  }

  #takeUdp(packet: Ipv4Packet): void {
    const datagram = parseUdp(packet);
    if (datagram === undefined) return;
    const { sourcePort, destinationPort, payload } = datagram;
    if (packet.destination !== nameServerAddress || destinationPort !== domainPort) {
      this.#tellOnce(packet.destination, destinationPort);
      return;
    }
    const query = parseDnsQuery(payload);
    if (query === undefined || this.#questions >= networkLimits.questions) return;
    this.#questions += 1;
    const { egress, signal } = this.#options;
    void egress
      .answer(query, signal)
      .catch(() => ({ kind: "failure" }) as const)
      .then((answer) => {
        this.#questions -= 1;
        const response = {
          sourcePort: domainPort,
          destinationPort: sourcePort,
          payload: dnsResponse(query, answer),
        };
        this.#send(udpFrame(this.#endsFrom(nameServerAddress), response));
      });
  }

  #takeTcp(packet: Ipv4Packet): void {
    const segment = parseTcp(packet);
    if (segment === undefined) return;
    const ends = {
      address: packet.destination,
      port: segment.destinationPort,
      guestPort: segment.sourcePort,
    };
    const key = keyOf(ends);
    const connection = this.#connections.get(key);
    if (connection !== undefined) connection.receive(segment);
    else if (this.#connections.has(key)) return;
    else if ((segment.flags & (tcpFlag.syn | tcpFlag.ack | tcpFlag.rst)) === tcpFlag.syn)
      void this.#open(ends, segment);
    else if ((segment.flags & tcpFlag.rst) === 0) this.#refuse(ends, segment);
  }

  /** The host connects first, so that the guest meets what it would meet there: an answer, or a refusal. */
  async #open(ends: ConnectionEnds, syn: TcpSegment): Promise<void> {
    const { egress, signal } = this.#options;
    if (this.#connections.size >= networkLimits.connections) {
      egress.deny(formatIpv4(ends.address), ends.port, "too-many");
      this.#refuse(ends, syn);
      return;
    }
    const key = keyOf(ends);
    this.#connections.set(key, undefined);
    const opened = await egress.connect(ends.address, ends.port, signal).catch(() => undefined);
    if (opened === undefined || signal.aborted) {
      opened?.stream.destroy();
      this.#connections.delete(key);
      this.#refuse(ends, syn);
      return;
    }
    const host = this.#hostFor(ends, opened.id);
    this.#connections.set(key, new TcpConnection(host, opened.stream, this.#initial(), syn));
  }

  #hostFor(ends: ConnectionEnds, id: number): TcpHost {
    const { clock, link, log } = this.#options;
    const { address, port, guestPort } = ends;
    return {
      clock,
      maxSegment: mtu - headersBytes,
      canSend: () => !link.isCongested,
      send: (segment) => {
        const whole = { ...segment, sourcePort: port, destinationPort: guestPort };
        this.#send(tcpFrame(this.#endsFrom(address), whole));
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
    this.#send(tcpFrame(this.#endsFrom(address), reset));
  }

  #tellOnce(address: number, port: number): void {
    const key = `${address}:${port}`;
    if (this.#told.size >= maxToldDestinations || this.#told.has(key)) return;
    this.#told.add(key);
    this.#options.egress.deny(formatIpv4(address), port, "not-tcp");
  }

  #freePort(guestPort: number): number | undefined {
    if (this.#connections.size >= networkLimits.connections) return undefined;
    for (;;) {
      this.#lastPort = this.#lastPort >= 65_535 ? firstEphemeralPort : this.#lastPort + 1;
      const ends = { address: gatewayAddress, port: this.#lastPort, guestPort };
      if (!this.#connections.has(keyOf(ends))) return this.#lastPort;
    }
  }

  #initial(): number {
    return new DataView(this.#options.random.bytes(4).slice().buffer).getUint32(0);
  }

  #endsFrom(source: number): Ends {
    return { sourceMac: gatewayMac, destinationMac: this.#guestMac, source, destination: guestAddress };
  }

  #send(frame: Uint8Array | undefined): void {
    if (frame !== undefined) this.#options.link.send(frame);
  }
}

/** Our end as the guest sees it, and the guest's port. */
interface ConnectionEnds {
  readonly address: number;
  readonly port: number;
  readonly guestPort: number;
}

function keyOf({ address, port, guestPort }: ConnectionEnds): string {
  return `${guestPort}>${address}:${port}`;
}
