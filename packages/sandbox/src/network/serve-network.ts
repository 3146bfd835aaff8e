// A guest's network from its socket to its log: what runs beside a machine, in its owner's process or in one of its own.

import type { Duplex } from "node:stream";
import type { Platform } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import type { PublishedPort } from "../vmm/pluggable.ts";
import { ConnectionLog } from "./connection-log.ts";
import { Egress } from "./egress.ts";
import { FrameLink } from "./frame-link.ts";
import type { EgressRule } from "./policy.ts";
import { UserNetwork } from "./user-network.ts";

const connectsWithinMs = 120_000;

export interface ServeNetworkOptions {
  /** Where the machine's network card connects to: a path for a Unix socket. */
  readonly socket: string;
  readonly rules: readonly EgressRule[];
  readonly published: readonly PublishedPort[];
  /** The file of the log. */
  readonly log: string;
  readonly signal: AbortSignal;
}

/** A network that waits for its machine, or serves it. Disposing it ends it. */
export interface ServedNetwork extends AsyncDisposable {
  /** Resolves when the machine's card is gone, or was never there before the signal; never rejects. */
  readonly ended: Promise<void>;
}

type Parts = Pick<Platform, "clock" | "files" | "network" | "random">;

/**
 * Listens for the machine and on the published ports; resolves when both do.
 *
 * @throws KelpieError `in-use` for a port that is taken
 */
export async function serveNetwork(platform: Parts, options: ServeNetworkOptions): Promise<ServedNetwork> {
  const { clock, network, random } = platform;
  const { socket, rules, published } = options;
  const controller = new AbortController();
  const signal = AbortSignal.any([options.signal, controller.signal]);
  await using resources = new AsyncDisposableStack();
  const log = resources.use(await ConnectionLog.open(platform, options.log));
  const egress = new Egress({ clock, network, rules, log });
  const connected = Promise.withResolvers<Duplex>();
  let serving: UserNetwork | undefined;
  for (const { hostAddress, hostPort, guestPort } of published) {
    const port = await network.listenTcp(hostAddress, hostPort, (stream) => {
      if (serving === undefined) stream.destroy();
      else serving.accept(stream, guestPort);
    });
    resources.defer(() => void port[Symbol.asyncDispose]());
  }
  // Last: when it is there, all is.
  const listener = await network.listenUnix(socket, connected.resolve);
  resources.defer(() => void listener[Symbol.asyncDispose]());
  /** A machine that never comes must not keep a process of its own waiting. */
  const firstOf = async (connection: Promise<Duplex>): Promise<Duplex> => {
    using deadline = clock.deadline(connectsWithinMs, "The machine's network card");
    return await orAborted(connection, AbortSignal.any([signal, deadline.signal]));
  };
  const serve = async (): Promise<void> => {
    const stream = await firstOf(connected.promise);
    const link = new FrameLink(stream);
    const stop = (): void => link.close();
    signal.addEventListener("abort", stop, { once: true });
    serving = new UserNetwork({ clock, random, link, egress, log, signal });
    try {
      await serving.serve();
    } finally {
      signal.removeEventListener("abort", stop);
      link.close();
    }
  };
  const held = resources.move();
  // A link that breaks or a guest that breaks its rules ends the network: it fails closed.
  const ended = serve()
    .catch(() => undefined)
    .then(() => {
      // What is still being looked up or connected to is for nobody.
      controller.abort();
      return held.disposeAsync();
    });
  return {
    ended,
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await ended;
    },
  };
}
