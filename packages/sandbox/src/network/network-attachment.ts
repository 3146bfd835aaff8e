// A network card for a sandbox, with as much behind it as was asked for.

import { create } from "@bufbuild/protobuf";
import { join } from "node:path";
import { describeError, KelpieError, type Platform } from "@kelpie/platform";
import { ConfigureNetworkRequestSchema } from "../agent/gen/kelpie/agent/v1/system_pb.ts";
import type { Attachment, AttachTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import type { NetworkBackend, PublishedPort } from "../vmm/pluggable.ts";
import { appearsWithinMs, onceThere } from "../workspace/mount-in-guest.ts";
import { guestMac, mtu, networkPlan, networkPlan6 } from "./plan.ts";
import { formatEndpoint, formatRule, type NetworkMode } from "./rules.ts";
import { launchNetwork } from "./launch-network.ts";
import { serveNetwork } from "./serve-network.ts";

/** The log of a sandbox's connections, in its directory. */
export const networkLogName = "network.jsonl";

export interface NetworkOptions {
  readonly mode: NetworkMode;
  readonly published: readonly PublishedPort[];
  /** Where the log of connections goes; in the sandbox's own directory when absent. */
  readonly log?: string;
}

/** The attachment for what was asked for; undefined for no network and nothing published. */
export function openNetwork(platform: Platform, options: NetworkOptions): Attachment | undefined {
  const { mode, published } = options;
  return mode.kind === "none" && published.length === 0
    ? undefined
    : new NetworkAttachment(platform, options);
}

class NetworkAttachment implements Attachment {
  readonly description: string;
  readonly #platform: Platform;
  readonly #options: NetworkOptions;
  #served: AsyncDisposable | undefined;

  constructor(platform: Platform, options: NetworkOptions) {
    this.#platform = platform;
    this.#options = options;
    this.description = describeNetwork(options);
  }

  needs(): MachineNeeds {
    return { plugs: ["network"] };
  }

  async attach(target: AttachTarget): Promise<void> {
    const { machine, agent, signal } = target;
    const backend = await this.#openBackend(target);
    await machine.plug({ kind: "network", name: "kelpie-net", mac: guestMac, backend });
    const isOurs = backend.kind === "socket";
    const isClosed = backend.kind === "closed";
    const configure = async (hasIpv6: boolean): Promise<void> => {
      const plans = [networkPlan, ...(hasIpv6 ? [networkPlan6] : [])];
      const addresses = plans.map(({ guest, prefixBits }) => `${guest}/${prefixBits}`);
      const gateways = isClosed ? [] : plans.map(({ gateway }) => gateway);
      const request = create(ConfigureNetworkRequestSchema, {
        waitMs: appearsWithinMs,
        network: {
          interfaces: [{ mac: guestMac, addresses, gateways, mtu: isOurs ? mtu : 0 }],
          nameServers: isClosed ? [] : [networkPlan.nameServer],
        },
      });
      await onceThere(this.#platform.clock, "configure its network", signal, (stop) =>
        agent.system.configureNetwork(request, { signal: stop }),
      );
    };
    // QEMU's own network tells a guest of IPv6 by itself.
    if (!isOurs) await configure(false);
    else await configure(true).catch((cause: unknown) => this.#withoutIpv6(cause, configure));
  }

  /** A guest whose kernel has no IPv6 has all but the addresses of it: names lead there all the same. */
  async #withoutIpv6(cause: unknown, configure: (hasIpv6: boolean) => Promise<void>): Promise<void> {
    await configure(false);
    const { mode } = this.#options;
    const needing = (mode.kind === "allow" ? mode.rules : []).find(
      (rule) => rule.kind === "addresses" && rule.range.network.length === 16,
    );
    if (needing === undefined) return;
    throw new KelpieError("unsupported", "The guest cannot be given an IPv6 address", {
      expected: `a kernel with IPv6, for the rule ${formatRule(needing)}`,
      found: describeError(cause),
      help: "Allow what is there by its name, or take an image whose kernel has IPv6.",
      cause,
    });
  }

  finish(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#served?.[Symbol.asyncDispose]();
  }

  async #openBackend({ runDirectory, livesOn, signal }: AttachTarget): Promise<NetworkBackend> {
    const { mode, published, log = join(runDirectory, networkLogName) } = this.#options;
    switch (mode.kind) {
      case "none":
        return { kind: "closed", publish: published };
      case "full":
        return { kind: "user", publish: published };
      case "allow": {
        const socket = join(runDirectory, "network");
        const settings = { socket, rules: mode.rules, published, log };
        this.#served = livesOn
          ? await launchNetwork(this.#platform, settings, runDirectory, signal)
          : await serveNetwork(this.#platform, { ...settings, signal: new AbortController().signal });
        return { kind: "socket", path: socket };
      }
      default:
        return mode satisfies never;
    }
  }
}

function describeNetwork({ mode, published }: NetworkOptions): string {
  const reach = {
    none: () => "no network",
    full: () => "the whole network that this host reaches",
    allow: () =>
      `the network, to ${mode.kind === "allow" ? mode.rules.map(formatRule).join(", ") : ""} alone`,
  }[mode.kind]();
  const ports = published.map(
    ({ hostAddress, hostPort, guestPort }) =>
      `${formatEndpoint(hostAddress, hostPort)} leads to its port ${guestPort}`,
  );
  return [reach, ...ports].join("; ");
}
