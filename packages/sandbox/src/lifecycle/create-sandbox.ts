// Creating a sandbox: its directory, its guest, and what is attached to it; all of it undone where a step fails.

import { cancelled } from "@kelpie/platform";
import { startGuest } from "../templates/start-guest.ts";
import { requireCapabilities } from "../vmm/require-capabilities.ts";
import type { VmSpec } from "../vmm/vmm.ts";
import { leasePorts, ownPorts } from "./agent-ports.ts";
import { chooseTransport } from "./agent-transport.ts";
import { needsOf, writeDescriptions } from "./attachment.ts";
import { createKeptDirectory } from "./kept-directory.ts";
import { createRunDirectory } from "./run-directory.ts";
import { type ResolvedSource, resolveSource } from "./sandbox-defaults.ts";
import { checkLimits } from "./sandbox-limits.ts";
import {
  agentPorts,
  defaultMemoryMiB,
  draft,
  hostnameOf,
  keepOptions,
  requestDefaults,
  type SandboxOptions,
} from "./sandbox-options.ts";
import { explainLoss, type SandboxParts, targetOf } from "./sandbox-parts.ts";

const defaultBootTimeoutMs = 60_000;

/** A sandbox that answers and has what is attached, and what to dispose at its end. See {@link Sandbox.create}. */
export async function createSandbox(
  options: SandboxOptions,
): Promise<{ readonly parts: SandboxParts; readonly resources: AsyncDisposableStack }> {
  const { attachments = [], keep, start = "auto", bootTimeoutMs = defaultBootTimeoutMs } = options;
  const { signal = new AbortController().signal } = options;
  checkLimits(options);
  const source = await resolveSource(options, signal);
  const { platform, home, vmm } = source;
  await using resources = new AsyncDisposableStack();

  const kept =
    keep === undefined ? undefined : await createKeptDirectory(platform, home, draft(options, keep, source));
  const { id, path: runDirectory } = resources.use(kept ?? (await createRunDirectory(platform, home)));
  const name = kept?.record.name ?? id;

  // What lives on with a sandbox that does.
  const lasting = resources.use(new AsyncDisposableStack());
  const lease = { holder: `sandbox ${name}`, ...(kept === undefined ? {} : { whileExists: runDirectory }) };
  lasting.use(await source.lease(lease));
  for (const attachment of attachments) lasting.use(attachment);
  const needs = needsOf(attachments, vmm.capabilities);
  const transport = await chooseTransport(platform, vmm, options.agentTransport ?? "auto");
  requireCapabilities(vmm, {
    ...needs,
    ...transport,
    architecture: source.image.architecture,
    ...(keep === undefined ? {} : { keep: keepOptions(keep, bootTimeoutMs) }),
  });

  const ports =
    kept === undefined
      ? ownPorts
      : resources.use(
          await leasePorts(platform, { directory: runDirectory, ports: agentPorts, name, signal }),
        );
  const { plugs: _plugs, ...machineNeeds } = needs;
  const spec = machineSpec(options, source, {
    needs: { ...machineNeeds, ...transport },
    runDirectory,
    hostname: kept?.record.name ?? `${source.image.hostname?.slice(0, 40) ?? "kelpie"}-${id}`,
    bootTimeoutMs,
  });
  const guest = resources.use(
    await startGuest({ platform, vmm, home, spec, ports, start, bootTimeoutMs, signal }),
  );
  const parts: SandboxParts = {
    ...{ platform, home, id, name, runDirectory },
    ...{ machine: guest.machine, agent: guest.agent, start: guest.start },
    ...{ attachments, livesOn: kept !== undefined, defaults: requestDefaults(options) },
  };
  try {
    const target = { ...targetOf(parts, signal), capabilities: vmm.capabilities };
    for (const attachment of attachments) await attachment.attach(target);
    if (kept !== undefined) {
      await writeDescriptions(platform, runDirectory, attachments);
      await kept.confirm();
      await guest.machine.release();
      // Taken out of `resources`, and never disposed by us.
      lasting.move();
    }
  } catch (error) {
    throw signal.aborted ? cancelled(signal) : await explainLoss(parts, error);
  }
  return { parts, resources: resources.move() };
}

/** The machine that `options` ask for. */
function machineSpec(
  { memoryMiB = defaultMemoryMiB, cpus = 1, diskBytes, keep }: SandboxOptions,
  { image }: ResolvedSource,
  own: {
    readonly needs: Partial<VmSpec>;
    readonly runDirectory: string;
    readonly hostname: string;
    readonly bootTimeoutMs: number;
  },
): VmSpec {
  const { needs, runDirectory, hostname, bootTimeoutMs } = own;
  return {
    ...{ image, memoryMiB, cpus, agentPorts, runDirectory, hostname: hostnameOf(hostname) },
    ...(diskBytes === undefined ? {} : { diskBytes }),
    ...(keep === undefined ? {} : { keep: keepOptions(keep, bootTimeoutMs) }),
    ...needs,
  };
}
