// A guest's network without privileges: answers its ARP, neighbour discovery, DNS and echo requests, and joins its TCP
// connections and UDP flows to sockets of the host, those only that are allowed. Nothing else of what it sends goes anywhere,
// and it is told so.

import type { Duplex } from "node:stream";
import type { Clock, Random } from "@kelpie/platform";
import { addressKey, type IpAddress, isConnectable } from "./address.ts";
import type { ConnectionLog } from "./connection-log.ts";
import { dnsResponse, parseDnsQuery } from "./dns.ts";
import type { Egress } from "./egress.ts";
import type { FrameLink } from "./frame-link.ts";
import { arpReply, etherType, parseArpRequest, parseEthernet } from "./packets/ethernet.ts";
import { advertisement, echoReply, isEchoRequest, parseSolicitation, unreachable } from "./packets/icmp.ts";
import { type IpPacket, parseIpv4Packet, parseIpv6Packet, protocol } from "./packets/ip.ts";
import { parseUdp, udpFrame } from "./packets/transport.ts";
import { gatewayAddress, gatewayAddress6, guestAddresses, nameServerAddress } from "./plan.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { UdpRelay } from "./udp-relay.ts";
import { gatewayMac, Wire } from "./wire.ts";

/** Questions to the name server that wait for an answer. */
const maxQuestions = 64;
const domainPort = 53;

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
  readonly #wire: Wire;
  readonly #tcp: TcpRelay;
  readonly #udp: UdpRelay;
  #questions = 0;

  constructor(options: UserNetworkOptions) {
    this.#options = options;
    this.#wire = new Wire(options.link);
    const parts = { ...options, wire: this.#wire };
    this.#tcp = new TcpRelay(parts);
    this.#udp = new UdpRelay(parts);
    options.link.onDrain(() => this.#tcp.pump());
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
      this.#tcp.reset("the sandbox ended");
      this.#udp.reset();
    }
  }

  /** Joins a connection that came to a published port to the guest's port. */
  accept(stream: Duplex, guestPort: number): void {
    this.#tcp.accept(stream, guestPort);
  }

  #take(bytes: Uint8Array): void {
    const frame = parseEthernet(bytes);
    if (frame === undefined) return;
    switch (frame.type) {
      case etherType.arp:
        this.#takeArp(frame.payload);
        break;
      case etherType.ipv4:
        this.#takePacket(parseIpv4Packet(frame.payload));
        break;
      case etherType.ipv6:
        this.#takePacket(parseIpv6Packet(frame.payload));
        break;
      default:
        break;
    }
  }

  /** Both addresses that are ours are the gateway's; the guest's own must stay unanswered. */
  #takeArp(payload: Uint8Array): void {
    const request = parseArpRequest(payload);
    if (request === undefined) return;
    if (!isOneOf(request.target, [gatewayAddress, nameServerAddress])) return;
    this.#wire.send(arpReply(gatewayMac, request.target, request.sender, request.senderAddress));
  }

  #takePacket(packet: IpPacket | undefined): void {
    if (packet === undefined) return;
    // Also from the address that the guest's kernel gives itself.
    const target = packet.protocol === protocol.icmpv6 ? parseSolicitation(packet) : undefined;
    if (target !== undefined) this.#advertise(packet, target);
    if (!isOneOf(packet.source, guestAddresses)) return;
    switch (packet.protocol) {
      case protocol.tcp:
        this.#tcp.take(packet);
        break;
      case protocol.udp:
        if (isOneOf(packet.destination, [nameServerAddress])) this.#takeQuestion(packet);
        else if (isUnicast(packet.destination)) this.#udp.take(packet);
        break;
      default:
        this.#takeOther(packet);
        break;
    }
  }

  #advertise({ source }: IpPacket, target: IpAddress): void {
    const isAddressed = !source.every((byte) => byte === 0);
    if (!isAddressed || !isOneOf(target, [gatewayAddress6])) return;
    const ends = { ...this.#wire.endsFrom(gatewayAddress6), destination: source.slice() };
    this.#wire.send(advertisement(ends, gatewayMac, target));
  }

  #takeQuestion(packet: IpPacket): void {
    const datagram = parseUdp(packet);
    if (datagram === undefined) return;
    if (datagram.destinationPort !== domainPort) {
      this.#wire.send(unreachable(this.#wire.endsFrom(nameServerAddress), packet, "port"));
      return;
    }
    const query = parseDnsQuery(datagram.payload);
    if (query === undefined || this.#questions >= maxQuestions) return;
    this.#questions += 1;
    const { egress, signal } = this.#options;
    const { sourcePort } = datagram;
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
        this.#wire.send(udpFrame(this.#wire.endsFrom(nameServerAddress), response));
      });
  }

  /** The gateway answers a ping. All else is nobody's, and a ping is told so. */
  #takeOther(packet: IpPacket): void {
    const { destination } = packet;
    if (!isUnicast(destination)) return;
    const isEcho = isEchoRequest(packet);
    const ends = this.#wire.endsFrom(destination.slice());
    if (isEcho && isOneOf(destination, [gatewayAddress, gatewayAddress6, nameServerAddress])) {
      this.#wire.send(echoReply(ends, packet));
      return;
    }
    // An error is not answered with another.
    const isIcmp = packet.protocol === protocol.icmp || packet.protocol === protocol.icmpv6;
    if (isIcmp && !isEcho) return;
    this.#options.egress.denyProtocol(destination, packet.protocol);
    if (!this.#wire.isCongested) this.#wire.send(unreachable(ends, packet, "prohibited"));
  }
}

/** What a guest says to all of its network (DHCP, mDNS, router solicitations) is said to nobody. */
function isUnicast(address: IpAddress): boolean {
  return isConnectable(address) && !isOneOf(address, [linkBroadcast]);
}

const linkBroadcast: IpAddress = Uint8Array.of(10, 0, 2, 255);

function isOneOf(address: IpAddress, addresses: readonly IpAddress[]): boolean {
  const key = addressKey(address);
  return addresses.some((one) => addressKey(one) === key);
}
