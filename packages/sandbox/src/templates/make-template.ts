// Making a template: a guest boots, is brought to stand still before anything ran in it, and is saved.

import type { Duplex } from "node:stream";
import { join } from "node:path";
import { cancelled, describeError, KelpieError, type Platform } from "@kelpie/platform";
import { AgentClient } from "../agent/agent-client.ts";
import { guestError } from "../agent/guest-error.ts";
import { awaitGuest } from "../lifecycle/await-guest.ts";
import type { VirtualMachine, Vmm, VmSpec } from "../vmm/vmm.ts";
import { templateFiles } from "./template-record.ts";
import type { Template, TemplateStore } from "./template-store.ts";

const warmUpWithinMs = 10_000;
const standsStillWithinMs = 30_000;
/** The host name of the kernel's command line, which every machine of the template shares; each gets its own later. */
const templateHostname = "kelpie";
const bytesPerMiB = 1 << 20;

export interface MakeOptions {
  readonly platform: Platform;
  readonly vmm: Vmm;
  readonly store: TemplateStore;
  readonly key: string;
  readonly spec: VmSpec;
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** A template, or why a guest that may well boot can have none. */
export type Made =
  | { readonly kind: "made"; readonly template: Template }
  /** Lasting where it is the guest that cannot: the next try would end as this one did. */
  | { readonly kind: "impossible"; readonly reason: string; readonly isLasting: boolean };

/** Boots a guest and saves it. `boot-failed` where it does not become ready: it would not without a template either. */
export async function makeTemplate(options: MakeOptions): Promise<Made> {
  const { platform, store, key, spec, signal } = options;
  let bootFailure: unknown;
  try {
    await using staging = await store.stage();
    const free = await platform.files.freeBytes(staging.path);
    const needed = spec.memoryMiB * bytesPerMiB;
    if (free < needed) {
      // The memory's file is sparse, but a host that cannot give it all when the guest wants it would kill QEMU.
      return impossible(
        `${mebibytes(free)} MiB are free on the disk and a template may take ${spec.memoryMiB}`,
      );
    }
    {
      await using machine = await startToSave(options, staging.path);
      const open = (wanted: AbortSignal): Promise<Duplex> => machine.connectAgent(0, wanted);
      await using agent = new AgentClient({ ...platform, open });
      await boot(options, machine, agent).catch((error: unknown) => {
        bootFailure = error;
        throw error;
      });
      await warmUp(agent, signal);
      await standStill(options, agent);
      await machine.save(join(staging.path, templateFiles.state), signal);
    }
    return { kind: "made", template: await store.publish(key, spec.image, staging.path) };
  } catch (error) {
    if (signal.aborted) throw cancelled(signal);
    if (error === bootFailure || !KelpieError.is(error)) throw error;
    return impossible(describeError(error), error.code === "guest-refused");
  }
}

function impossible(reason: string, isLasting = false): Made {
  return { kind: "impossible", reason: `no template could be made: ${reason}`, isLasting };
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / bytesPerMiB);
}

function startToSave({ vmm, spec, signal }: MakeOptions, directory: string): Promise<VirtualMachine> {
  const memory = join(directory, templateFiles.memory);
  const disk = join(directory, templateFiles.disk);
  const origin = { kind: "boot-to-save", memory, disk } as const;
  // What is of one sandbox alone is no part of it: how it lives on, and what is attached after the restore.
  const { keep: _keep, ninepDirectories: _directories, ...shape } = spec;
  return vmm.start({ ...shape, hostname: templateHostname, runDirectory: directory, origin }, signal);
}

async function boot(
  { platform, bootTimeoutMs, signal }: MakeOptions,
  machine: VirtualMachine,
  agent: AgentClient,
): Promise<void> {
  const startMs = platform.clock.monotonicMs();
  const wait = { machine, startMs, timeoutMs: bootTimeoutMs, signal };
  await awaitGuest(platform, wait, (stop) => agent.waitUntilReady(stop));
}

/**
 * Starts one process that does nothing: what each needs of the disk is then in the guest's memory, and every restored
 * guest starts its first process in half the time.
 */
async function warmUp(agent: AgentClient, signal: AbortSignal): Promise<void> {
  await agent.exec({ argv: ["true"], timeoutMs: warmUpWithinMs }, signal).collect();
}

/** Nothing is under way in the guest afterwards, and the agent waits for a host's hello. */
async function standStill({ platform, signal }: MakeOptions, agent: AgentClient): Promise<void> {
  using deadline = platform.clock.deadline(standsStillWithinMs, "Bringing the guest to stand still");
  const stop = AbortSignal.any([signal, deadline.signal]);
  try {
    await agent.system.prepareSnapshot({}, { signal: stop });
  } catch (error) {
    throw guestError("stand still", error, stop);
  }
}
