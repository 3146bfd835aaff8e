// Which agent ports of a sandbox one user has: one for calls, and a second for what is large, so that neither delays the
// other.

import { type LeaseOptions, leasePort, type PortLease } from "./lease-port.ts";

/** One user's ports, by index, until they are disposed. */
export interface AgentPorts extends AsyncDisposable {
  readonly calls: number;
  /** The port for what is large, the same each time. `in-use` where no other is free. */
  bulk(signal: AbortSignal): Promise<number>;
}

/** Of a machine that nobody else talks to. */
export const ownPorts: AgentPorts = {
  calls: 0,
  bulk: () => Promise.resolve(1),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/**
 * Of a machine that others talk to as well. Waits in line for the first port, `in-use` after half a minute; the second is
 * taken when it is first wanted, if one is free then, so that nobody waits for another's copies.
 */
export async function leasePorts(
  platform: Parameters<typeof leasePort>[0],
  options: Omit<LeaseOptions, "waitMs">,
): Promise<AgentPorts> {
  await using leases = new AsyncDisposableStack();
  const calls = leases.use(await leasePort(platform, { ...options, waitMs: 30_000 }));
  const held = leases.move();
  let bulk: Promise<PortLease> | undefined;
  return {
    calls: calls.index,
    async bulk(signal) {
      bulk ??= leasePort(platform, { ...options, signal, waitMs: 0 }).then((lease) => held.use(lease));
      try {
        return (await bulk).index;
      } catch (error) {
        bulk = undefined;
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      // A lease that is under way would outlive us.
      await bulk?.catch(() => undefined);
      await held.disposeAsync();
    },
  };
}
