// A guest that answers, by the quickest way there is: restored from a template, or booted.

import { describeError, KelpieError, type Platform } from "@kelpie/platform";
import type { AgentClient } from "../agent/agent-client.ts";
import type { AgentPorts } from "../lifecycle/agent-ports.ts";
import { awaitGuest } from "../lifecycle/await-guest.ts";
import { type Phase, PhaseTimer } from "../phases.ts";
import type { VirtualMachine, Vmm, VmOrigin, VmSpec } from "../vmm/vmm.ts";
import { findOrMakeTemplate } from "./find-or-make.ts";
import { TemplateStore } from "./template-store.ts";

/** `auto` restores where it can and boots where it cannot; `warm` fails instead of booting; `cold` always boots. */
export type StartKind = "auto" | "warm" | "cold";

/** How a guest was started. */
export type GuestStart = {
  /** How long each step took, in order. */
  readonly phases: readonly Phase[];
} & (
  | {
      readonly kind: "warm";
      /** The template's key. */
      readonly template: string;
      /** Why it was made just now; undefined where it was there. */
      readonly made: string | undefined;
    }
  | {
      readonly kind: "cold";
      /** Why it was not restored; undefined where it was to boot. */
      readonly reason: string | undefined;
    }
);

export interface StartOptions {
  readonly platform: Platform;
  readonly vmm: Vmm;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly spec: VmSpec;
  /** Which of the agent's ports are ours. */
  readonly ports: AgentPorts;
  readonly start: StartKind;
  /** How long the guest may take to answer, and how long to wait for a template that another process makes. */
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** A guest that answers. Disposing it ends the machine. */
export interface StartedGuest extends AsyncDisposable {
  readonly machine: VirtualMachine;
  readonly agent: AgentClient;
  readonly start: GuestStart;
}

/**
 * Starts a guest and waits until it answers. A restored one has randomness, clock, host name and machine id of its own by
 * then. `boot-failed`, `unsupported` where it was to be warm and cannot, `cancelled`.
 */
export async function startGuest(options: StartOptions): Promise<StartedGuest> {
  const { platform, start } = options;
  const timer = new PhaseTimer(platform.clock);
  if (start === "cold") return await startCold(options, timer, undefined);
  const store = new TemplateStore(platform, options.home);
  const choice = await findOrMakeTemplate({ ...options, store });
  timer.mark(choice.kind === "template" && choice.made !== undefined ? "make template" : "find template");
  let reason = choice.kind === "none" ? choice.reason : "";
  if (choice.kind === "template") {
    const { template, made, sealed } = choice;
    try {
      const guest = await startMachine(options, { kind: "restore", saved: template.saved }, timer);
      return {
        ...guest,
        start: { kind: "warm", template: template.key, made, phases: timer.phases },
        [Symbol.asyncDispose]: async () => {
          await guest[Symbol.asyncDispose]();
          await sealed;
        },
      };
    } catch (error) {
      await sealed;
      if (options.signal.aborted || !KelpieError.is(error)) throw error;
      await store.remove(template.key);
      reason = `the template could not be restored: ${describeError(error)}`;
    }
  }
  if (start === "warm") throw new KelpieError("unsupported", `Cannot start warm: ${reason}`);
  return await startCold(options, timer, reason);
}

async function startCold(
  options: StartOptions,
  timer: PhaseTimer,
  reason: string | undefined,
): Promise<StartedGuest> {
  const guest = await startMachine(options, { kind: "boot" }, timer);
  return { ...guest, start: { kind: "cold", reason, phases: timer.phases } };
}

async function startMachine(
  { platform, vmm, spec, ports, bootTimeoutMs, signal }: StartOptions,
  origin: VmOrigin,
  timer: PhaseTimer,
): Promise<Omit<StartedGuest, "start">> {
  await using resources = new AsyncDisposableStack();
  const startMs = platform.clock.monotonicMs();
  const launched = Promise.withResolvers<undefined>();
  const loaded = launched.promise.then(() => import("./reach-guest.ts"));
  const machine = resources.use(
    await vmm.start({ ...spec, origin }, signal, () => launched.resolve(undefined)),
  );
  launched.resolve(undefined);
  timer.mark(origin.kind === "restore" ? "restore machine" : "start machine");
  const { agentOver, makeUnique } = await loaded;
  const agent = resources.use(agentOver(platform, machine, ports));
  await awaitGuest(platform, { machine, startMs, timeoutMs: bootTimeoutMs, signal }, async (stop) => {
    if (origin.kind !== "restore") {
      await agent.waitUntilReady(stop);
      return;
    }
    await agent.connect(stop);
    timer.mark("connect");
    await makeUnique(platform, agent, spec.hostname, bootTimeoutMs, stop);
  });
  timer.mark(origin.kind === "restore" ? "make unique" : "boot");
  const held = resources.move();
  return { machine, agent, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
