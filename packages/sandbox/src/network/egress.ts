// Decides on what a guest asks of the network, and does what is allowed.

import type { Duplex } from "node:stream";
import { type Clock, describeError, KelpieError, type Network } from "@kelpie/platform";
import { formatIpv4 } from "./address.ts";
import type { ConnectionLog, DenialReason } from "./connection-log.ts";
import { type DnsAnswer, type DnsQuery, recordType } from "./dns.ts";
import { firstNameAddress, gatewayAddress, nameAddressCount } from "./plan.ts";
import {
  type EgressRule,
  hostName,
  isAddressAllowed,
  isNameAllowed,
  isNameKnown,
  reachableAddresses,
} from "./policy.ts";

const connectWithinMs = 20_000;
const resolveWithinMs = 10_000;
const hostLoopback = "127.0.0.1";
/** A guest can ask for any number of names; that many are told. */
const maxDeniedNames = 4096;

export interface EgressOptions {
  readonly clock: Clock;
  readonly network: Pick<Network, "resolveName" | "connectTcp">;
  readonly rules: readonly EgressRule[];
  readonly log: ConnectionLog;
}

/** What becomes of a connection: the real addresses to try, in order, or why there is none. */
type Decision =
  | { readonly kind: "allowed"; readonly addresses: readonly string[] }
  | { readonly kind: "denied"; readonly reason: DenialReason };

/** A connection that was made. */
export interface OpenedConnection {
  readonly id: number;
  readonly stream: Duplex;
}

/** See the head of this file. */
export class Egress {
  readonly #options: EgressOptions;
  readonly #addressOf = new Map<string, number>();
  readonly #nameOf = new Map<number, string>();
  readonly #deniedNames = new Set<string>();
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
    const { rules, log, network, clock } = this.#options;
    if (!isNameKnown(rules, name)) {
      if (this.#deniedNames.size < maxDeniedNames && !this.#deniedNames.has(name)) {
        this.#deniedNames.add(name);
        log.add({ event: "name-denied", host: name });
      }
      return { kind: "no-such-name" };
    }
    if (name === hostName)
      return type === recordType.a ? { kind: "address", address: gatewayAddress } : { kind: "empty" };
    using deadline = clock.deadline(resolveWithinMs, `Looking up ${name}`);
    const stop = AbortSignal.any([signal, deadline.signal]);
    if ((await network.resolveName(name, stop)).length === 0) return { kind: "no-such-name" };
    // Only IPv4 inside: the address stands for the name, whatever the name has outside.
    if (type !== recordType.a) return { kind: "empty" };
    const address = this.#addressFor(name);
    return address === undefined ? { kind: "failure" } : { kind: "address", address };
  }

  /** Connects to what the guest calls `address`. Undefined when it is denied or fails, which is in the log. */
  async connect(address: number, port: number, signal: AbortSignal): Promise<OpenedConnection | undefined> {
    const name = address === gatewayAddress ? hostName : this.#nameOf.get(address);
    const host = name ?? formatIpv4(address);
    const { clock, log } = this.#options;
    using deadline = clock.deadline(connectWithinMs, `Connecting to ${host}`);
    const stop = AbortSignal.any([signal, deadline.signal]);
    try {
      const decision = await this.#decide(host, name, port, stop);
      if (decision.kind === "allowed") return await this.#connectToOne(decision.addresses, host, port, stop);
      this.deny(host, port, decision.reason);
    } catch (error) {
      log.add({ event: "failed", host, port, reason: describeError(error) });
    }
    return undefined;
  }

  deny(host: string, port: number, reason: DenialReason): void {
    this.#options.log.add({ event: "denied", host, port, reason });
  }

  /** A name is looked up now, and only what it may lead to is taken. */
  async #decide(
    host: string,
    name: string | undefined,
    port: number,
    signal: AbortSignal,
  ): Promise<Decision> {
    const { rules, network, log } = this.#options;
    if (log.isFull) return { kind: "denied", reason: "log-full" };
    const isAllowed =
      name === undefined ? isAddressAllowed(rules, host, port) : isNameAllowed(rules, name, port);
    if (!isAllowed) return { kind: "denied", reason: "not-allowed" };
    if (name === undefined) return { kind: "allowed", addresses: [host] };
    if (name === hostName) return { kind: "allowed", addresses: [hostLoopback] };
    const found = await network.resolveName(name, signal);
    if (found.length === 0) throw new KelpieError("not-found", `${name} has no address`);
    const addresses = reachableAddresses(rules, found, port);
    return addresses.length === 0
      ? { kind: "denied", reason: "private-address" }
      : { kind: "allowed", addresses };
  }

  async #connectToOne(
    candidates: readonly string[],
    host: string,
    port: number,
    signal: AbortSignal,
  ): Promise<OpenedConnection> {
    const { network, log } = this.#options;
    let failure: unknown;
    for (const address of candidates) {
      try {
        const stream = await network.connectTcp(address, port, signal);
        const id = this.nextId();
        log.add({ event: "connected", id, host, port, address });
        return { id, stream };
      } catch (error) {
        failure = error;
        if (signal.aborted) break;
      }
    }
    throw failure;
  }

  #addressFor(name: string): number | undefined {
    const known = this.#addressOf.get(name);
    if (known !== undefined) return known;
    if (this.#addressOf.size >= nameAddressCount) return undefined;
    const address = firstNameAddress + this.#addressOf.size;
    this.#addressOf.set(name, address);
    this.#nameOf.set(address, name);
    return address;
  }
}
