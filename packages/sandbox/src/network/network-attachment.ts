// A network card for a sandbox, with as much behind it as was asked for.

import { create } from "@bufbuild/protobuf";
import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import { ConfigureNetworkRequestSchema } from "../agent/gen/kelpie/agent/v1/system_pb.ts";
import type { Attachment, AttachTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import type { NetworkBackend, PublishedPort } from "../vmm/pluggable.ts";
import { appearsWithinMs, onceThere } from "../workspace/mount-in-guest.ts";
import { guestMac, mtu, networkPlan } from "./plan.ts";
import { formatRule, type NetworkMode } from "./policy.ts";
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
    const { guest, prefixBits, gateway, nameServer } = networkPlan;
    const isClosed = backend.kind === "closed";
    const request = create(ConfigureNetworkRequestSchema, {
      waitMs: appearsWithinMs,
      network: {
        interfaces: [
          {
            mac: guestMac,
            addresses: [`${guest}/${prefixBits}`],
            gateways: isClosed ? [] : [gateway],
            mtu: backend.kind === "socket" ? mtu : 0,
          },
        ],
        nameServers: isClosed ? [] : [nameServer],
      },
    });
    await onceThere(this.#platform.clock, "configure its network", signal, () =>
      agent.system.configureNetwork(request, { signal }),
    );
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
    ({ hostAddress, hostPort, guestPort }) => `${hostAddress}:${hostPort} leads to its port ${guestPort}`,
  );
  return [reach, ...ports].join("; ");
}
