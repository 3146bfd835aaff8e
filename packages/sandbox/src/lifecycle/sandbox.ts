// A sandbox: a booted guest that answers, and nothing left of it afterwards.

import type { Duplex } from "node:stream";
import { cancelled, KelpieError, type Platform } from "@kelpie/platform";
import { AgentClient } from "../agent/agent-client.ts";
import type { Execution } from "../agent/execution.ts";
import type { ProcessRequest } from "../agent/process.ts";
import { orAborted } from "../or-aborted.ts";
import { describeStop, type StopReason } from "../vmm/vm-state.ts";
import type { BootImage, VirtualMachine, Vmm } from "../vmm/vmm.ts";
import { type Attachment, type AttachTarget, needsOf } from "./attachment.ts";
import { bootFailure } from "./boot-failure.ts";
import { createRunDirectory, type RunDirectory } from "./run-directory.ts";

const defaultMemoryMiB = 512;
const defaultBootTimeoutMs = 60_000;
const defaultPowerOffWithinMs = 10_000;
const agentPorts = 2;
const consoleLines = 20;
const lastWordsWithinMs = 2_000;

/** What a sandbox is made of. */
export interface SandboxOptions {
  readonly platform: Platform;
  readonly vmm: Vmm;
  readonly image: BootImage;
  /** KELPIE_HOME. */
  readonly home: string;
  /** Default 512. */
  readonly memoryMiB?: number;
  /** Default 1. */
  readonly cpus?: number;
  /** How long the guest may take to answer. Default a minute: an emulated guest on a busy host is slow. */
  readonly bootTimeoutMs?: number;
  /** What of the world outside it gets, in this order. They are disposed with it. */
  readonly attachments?: readonly Attachment[];
  /** Aborting it ends the start. A sandbox that has started ends when it is disposed. */
  readonly signal?: AbortSignal;
}

/** A guest that runs and answers. Dispose it, and its processes, sockets and files are gone. */
export class Sandbox implements AsyncDisposable {
  readonly id: string;
  readonly agent: AgentClient;
  readonly #platform: Platform;
  readonly #machine: VirtualMachine;
  readonly #resources: AsyncDisposableStack;
  readonly #attachments: readonly Attachment[];
  readonly #runDirectory: string;

  private constructor(
    platform: Platform,
    directory: RunDirectory,
    machine: VirtualMachine,
    agent: AgentClient,
    attachments: readonly Attachment[],
    resources: AsyncDisposableStack,
  ) {
    this.id = directory.id;
    this.#runDirectory = directory.path;
    this.#attachments = attachments;
    this.agent = agent;
    this.#platform = platform;
    this.#machine = machine;
    this.#resources = resources;
  }

  /**
   * Boots a guest and waits until it answers. `boot-failed` with the phase reached, the console's last lines and a
   * likely cause; `cancelled` or `timeout` by the signal.
   *
   * @example
   * await using sandbox = await Sandbox.create({ platform, vmm, image, home });
   * const { stdout } = await sandbox.exec({ argv: ["uname", "-a"] }).collect();
   */
  static async create(options: SandboxOptions): Promise<Sandbox> {
    const { platform, vmm, image, home, memoryMiB = defaultMemoryMiB, cpus = 1, attachments = [] } = options;
    const { bootTimeoutMs = defaultBootTimeoutMs, signal = new AbortController().signal } = options;
    await using resources = new AsyncDisposableStack();
    const directory = resources.use(await createRunDirectory(platform, home));
    for (const attachment of attachments) resources.use(attachment);
    const startMs = platform.clock.monotonicMs();
    const spec = {
      ...{ image, memoryMiB, cpus, agentPorts, hostname: "kelpie", runDirectory: directory.path },
      ...needsOf(attachments),
    };
    const machine = resources.use(await vmm.start(spec, signal));
    const open = (wanted: AbortSignal): Promise<Duplex> => machine.connectAgent(0, wanted);
    const agent = resources.use(new AgentClient({ ...platform, open }));
    using deadline = platform.clock.deadline(bootTimeoutMs, "The guest's boot");
    try {
      const stop = AbortSignal.any([signal, deadline.signal]);
      await Promise.race([agent.waitUntilReady(stop), stoppedEarly(machine, stop)]);
    } catch (cause) {
      if (signal.aborted) throw cancelled(signal);
      throw await describeFailure(platform, machine, startMs, cause);
    }
    const sandbox = new Sandbox(platform, directory, machine, agent, attachments, resources.move());
    try {
      for (const attachment of attachments) await attachment.attach(sandbox.#target(signal));
    } catch (error) {
      await using _ = sandbox;
      throw signal.aborted ? cancelled(signal) : await sandbox.explain(error);
    }
    return sandbox;
  }

  /** Resolves when the guest is gone, with the reason. */
  get stopped(): Promise<StopReason> {
    return this.#machine.stopped;
  }

  /** The console's last lines, for a diagnosis. */
  async consoleTail(lines = consoleLines): Promise<string[]> {
    return (await this.#machine.diagnose()).console.lastLines(lines);
  }

  /** Runs a process in the guest: iterate the result for output as it comes, or `collect()` it. */
  exec(request: ProcessRequest, signal?: AbortSignal): Execution {
    return this.agent.exec(request, signal);
  }

  /** `error`, and where it says that the guest was lost, with how that came about and the console's last lines. */
  async explain(error: unknown): Promise<unknown> {
    if (!KelpieError.is(error) || error.code !== "guest-lost") return error;
    const reason = await endOf(this.#machine, this.#platform);
    if (reason === undefined) return error;
    return new KelpieError("guest-lost", `The guest is gone: ${describeStop(reason)}`, {
      found: ["the console ends with:", ...(await this.consoleTail())].join("\n"),
      cause: error,
    });
  }

  /**
   * Brings home what the guest has done with its attachments; nothing of the workload may run any more. Returns lines for
   * the person: what could not be brought home as it was meant.
   */
  async finish(signal: AbortSignal = new AbortController().signal): Promise<readonly string[]> {
    const reports: string[] = [];
    for (const attachment of this.#attachments.toReversed()) {
      reports.push(...(await attachment.finish(this.#target(signal))));
    }
    return reports;
  }

  #target(signal: AbortSignal): AttachTarget {
    return { machine: this.#machine, agent: this.agent, runDirectory: this.#runDirectory, signal };
  }

  /** Powers the guest off in order, at the latest after `withinMs` by force. Returns how it ended. */
  async shutdown(withinMs = defaultPowerOffWithinMs): Promise<StopReason> {
    using deadline = this.#platform.clock.deadline(withinMs, "The guest's shutdown");
    try {
      await this.agent.shutdown({ signal: deadline.signal });
      await orAborted(this.#machine.stopped, deadline.signal);
    } catch {
      // A guest that cannot power off, or is gone already, is ended below.
    }
    await this[Symbol.asyncDispose]();
    return await this.#machine.stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

async function stoppedEarly(machine: VirtualMachine, stop: AbortSignal): Promise<never> {
  await orAborted(machine.stopped, stop);
  throw new KelpieError("guest-lost", "The virtual machine stopped");
}

/** How a machine ends whose port was lost: the first sign of one that goes. Undefined if it does not go. */
async function endOf(machine: VirtualMachine, { clock }: Platform): Promise<StopReason | undefined> {
  using patience = clock.deadline(lastWordsWithinMs, "The machine's end");
  return await orAborted(machine.stopped, patience.signal).catch(() => undefined);
}

async function describeFailure(
  platform: Platform,
  machine: VirtualMachine,
  startMs: number,
  cause: unknown,
): Promise<KelpieError> {
  const isGoing = KelpieError.is(cause) && cause.code === "guest-lost";
  const stopped = isGoing ? await endOf(machine, platform) : undefined;
  const { console, monitorOutput } = await machine.diagnose();
  return bootFailure({
    consoleText: console.text(),
    lastLines: console.lastLines(consoleLines),
    stage: console.stage,
    stopped,
    monitorOutput,
    waitedMs: platform.clock.monotonicMs() - startMs,
    cause,
  });
}
