// Opening a sandbox that lives on, from any process.

import { kelpieHome, realPlatform } from "@kelpie/platform";
import { attachMachine } from "../vmm/backends.ts";
import { agentOver } from "../templates/reach-guest.ts";
import { leasePorts } from "./agent-ports.ts";
import { findSandbox } from "./registry.ts";
import { requireRunning } from "./require-running.ts";
import { type OpenSandboxOptions, requestDefaults } from "./sandbox-options.ts";
import type { SandboxParts } from "./sandbox-parts.ts";

const answersWithinMs = 10_000;

/** A sandbox that answers, and what to dispose when it is left. See {@link Sandbox.open}. */
export async function openSandbox(
  reference: string,
  options: OpenSandboxOptions,
): Promise<{ readonly parts: SandboxParts; readonly resources: AsyncDisposableStack }> {
  const { platform = realPlatform, signal = new AbortController().signal } = options;
  const { home = kelpieHome(platform.host) } = options;
  const { directory, record, state } = await findSandbox(platform, home, reference);
  const { id, name } = record;
  requireRunning(name, state);
  await using resources = new AsyncDisposableStack();
  const machine = resources.use(await attachMachine(platform, record.vmm, directory));
  const ports = resources.use(
    await leasePorts(platform, { directory, ports: record.agentPorts, name, signal }),
  );
  const agent = resources.use(agentOver(platform, machine, ports));
  using deadline = platform.clock.deadline(answersWithinMs, `The agent of sandbox ${name}`);
  // Not `connect`: the port's last user may just have left, and a hello that meets that is lost and said again.
  await agent.ping({ signal: AbortSignal.any([signal, deadline.signal]) });
  const parts: SandboxParts = {
    ...{ platform, home, id, name, runDirectory: directory, machine, agent },
    ...{ start: undefined, attachments: undefined, livesOn: true, defaults: requestDefaults(record) },
  };
  return { parts, resources: resources.move() };
}
