// Decides on what a guest asks of the network, and does what is allowed.

import type { Duplex } from "node:stream";
import { type Clock, describeError, KelpieError, type Network, type UdpSocket } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import { formatAddress, type IpAddress } from "./address.ts";
import { connectFirst } from "./connect-first.ts";
import type { ConnectionLog, DenialReason } from "./connection-log.ts";
import { type DnsAnswer, type DnsQuery, recordType } from "./dns.ts";
import { Names } from "./names.ts";
import {
  type EgressRule,
  hostName,
  isAddressAllowed,
  isNameAllowed,
  isNameKnown,
  reachableAddresses,
  type Target,
} from "./policy.ts";

const connectWithinMs = 20_000;
const resolveWithinMs = 10_000;
/** A datagram says nothing of whether somebody is there: one address it is. */
const hostLoopbacks = { tcp: ["127.0.0.1", "::1"], udp: ["127.0.0.1"] } as const;
/** A guest can ask for any number of names; that many are told. */
const maxDeniedNames = 4096;
/** Whoever is denied a datagram sends the next: each destination is told once, that many of them. */
const maxToldDestinations = 1024;

export interface EgressOptions {
  readonly clock: Clock;
  readonly network: Pick<Network, "resolveName" | "connectTcp" | "connectUdp">;
  readonly rules: readonly EgressRule[];
  readonly log: ConnectionLog;
}

/** What becomes of a connection: the real addresses to try, in order, or why there is none. */
type Decision =
  | { readonly kind: "allowed"; readonly addresses: readonly string[] }
  | { readonly kind: "denied"; readonly reason: DenialReason };

/** A connection, or a flow of datagrams, that was made. */
export interface Opened<T> {
  readonly id: number;
  readonly connection: T;
}

/** See the head of this file. */
export class Egress {
  readonly #options: EgressOptions;
  readonly #names = new Names();
  readonly #deniedNames = new Set<string>();
  readonly #told = new Set<string>();
  #lastId = 0;

  constructor(options: EgressOptions) {
    this.#options = options;
  }

  /** A number for one more connection in the log. */
  nextId(): number {
    return ++this.#lastId;
  }

  /** What the name server says. No name leaves the host that no rule knows. */
  async answer({ name, type }: DnsQuery, signal: AbortSignal): Promise<DnsAnswer> {
    const { rules, log, clock } = this.#options;
    if (!isNameKnown(rules, name)) {
      if (this.#deniedNames.size < maxDeniedNames && !this.#deniedNames.has(name)) {
        this.#deniedNames.add(name);
        log.add({ event: "name-denied", host: name });
      }
      return { kind: "no-such-name" };
    }
    if (name !== hostName) {
      using deadline = clock.deadline(resolveWithinMs, `Looking up ${name}`);
      const stop = AbortSignal.any([signal, deadline.signal]);
      if ((await this.#resolve(name, stop)).length === 0) return { kind: "no-such-name" };
    }
    // The host connects, by whichever family it has a way: so a name that exists has both inside.
    if (type !== recordType.a && type !== recordType.aaaa) return { kind: "empty" };
    const standIn = this.#names.addressesOf(name);
    if (standIn === undefined) return { kind: "failure" };
    return { kind: "address", address: type === recordType.a ? standIn.ipv4 : standIn.ipv6 };
  }

  /** Connects to what the guest calls `address`. Undefined when it is denied or fails, which is in the log. */
  async connectTcp(
    address: IpAddress,
    port: number,
    signal: AbortSignal,
  ): Promise<Opened<Duplex> | undefined> {
    const { network } = this.#options;
    return await this.#open(
      address,
      { transport: "tcp", port },
      (real, stop) => network.connectTcp(real, port, stop),
      (stream) => stream.destroy(),
      signal,
    );
  }

  /** As {@link connectTcp}, for datagrams. */
  async connectUdp(
    address: IpAddress,
    port: number,
    signal: AbortSignal,
  ): Promise<Opened<UdpSocket> | undefined> {
    const { network } = this.#options;
    return await this.#open(
      address,
      { transport: "udp", port },
      (real, stop) => network.connectUdp(real, port, stop),
      (socket) => socket.close(),
      signal,
    );
  }

  /** Puts a denial into the log. */
  deny(address: IpAddress, target: Target, reason: DenialReason): void {
    this.#deny(this.#hostOf(address), target, reason);
  }

  /** Puts it into the log that the guest was denied what is neither TCP nor UDP. */
  denyProtocol(address: IpAddress, protocol: number): void {
    const host = this.#hostOf(address);
    if (this.#isNews(`${protocol}>${host}`))
      this.#options.log.add({ event: "denied", host, protocol, reason: "not-allowed" });
  }

  async #open<T>(
    address: IpAddress,
    target: Target,
    dial: (real: string, signal: AbortSignal) => Promise<T>,
    discard: (connection: T) => void,
    signal: AbortSignal,
  ): Promise<Opened<T> | undefined> {
    const host = this.#hostOf(address);
    const { clock, log } = this.#options;
    using deadline = clock.deadline(connectWithinMs, `Connecting to ${host}`);
    const stop = AbortSignal.any([signal, deadline.signal]);
    const event = { host, port: target.port, ...transportOf(target) };
    try {
      const decision = await this.#decide(address, host, target, stop);
      if (decision.kind === "denied") {
        this.#deny(host, target, decision.reason);
        return undefined;
      }
      const made = await connectFirst(clock, decision.addresses, dial, discard, stop);
      const id = this.nextId();
      log.add({ event: "connected", id, ...event, address: made.address });
      return { id, connection: made.connection };
    } catch (error) {
      log.add({ event: "failed", ...event, reason: describeError(error) });
    }
    return undefined;
  }

  /** A name is looked up now, and only what it may lead to is taken. */
  async #decide(address: IpAddress, host: string, target: Target, signal: AbortSignal): Promise<Decision> {
    const { rules, log } = this.#options;
    if (log.isFull) return { kind: "denied", reason: "log-full" };
    const name = this.#names.nameOf(address);
    const isAllowed =
      name === undefined ? isAddressAllowed(rules, address, target) : isNameAllowed(rules, name, target);
    if (!isAllowed) return { kind: "denied", reason: "not-allowed" };
    if (name === undefined) return { kind: "allowed", addresses: [host] };
    if (name === hostName) return { kind: "allowed", addresses: hostLoopbacks[target.transport] };
    const found = await this.#resolve(name, signal);
    if (found.length === 0) throw new KelpieError("not-found", `${name} has no address`);
    const addresses = reachableAddresses(rules, found, target);
    return addresses.length === 0
      ? { kind: "denied", reason: "private-address" }
      : { kind: "allowed", addresses };
  }

  /** Not longer than `signal` allows: the host's resolver does not end with it. */
  #resolve(name: string, signal: AbortSignal): Promise<readonly string[]> {
    return orAborted(this.#options.network.resolveName(name, signal), signal);
  }

  #hostOf(address: IpAddress): string {
    return this.#names.nameOf(address) ?? formatAddress(address);
  }

  #deny(host: string, target: Target, reason: DenialReason): void {
    const { transport, port } = target;
    if (transport === "udp" && !this.#isNews(`${reason}>${host}>${port}`)) return;
    this.#options.log.add({ event: "denied", host, port, reason, ...transportOf(target) });
  }

  #isNews(what: string): boolean {
    if (this.#told.size >= maxToldDestinations || this.#told.has(what)) return false;
    this.#told.add(what);
    return true;
  }
}

/** TCP goes without saying. */
function transportOf({ transport }: Target): { readonly transport?: "udp" } {
  return transport === "udp" ? { transport } : {};
}
