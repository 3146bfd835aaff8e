// A sandbox: a booted guest that answers, and nothing left of it afterwards.

import type { Platform } from "@kelpie/platform";
import type { AgentClient, AttachOptions } from "../agent/agent-client.ts";
import type { Execution } from "../agent/execution.ts";
import type { GuestFiles } from "../agent/guest-files.ts";
import type { ProcessRequest } from "../agent/process.ts";
import { orAborted } from "../or-aborted.ts";
import type { GuestStart } from "../templates/start-guest.ts";
import type { StopReason } from "../vmm/vm-state.ts";
import type { Attachment } from "./attachment.ts";
import { createSandbox } from "./create-sandbox.ts";
import type { OpenSandboxOptions, SandboxOptions } from "./sandbox-options.ts";
import { targetOf, consoleTail, explainLoss, type SandboxParts } from "./sandbox-parts.ts";

const defaultPowerOffWithinMs = 10_000;

/** A guest that runs and answers. Dispose it, and its processes, sockets and files are gone, unless it lives on. */
export class Sandbox implements AsyncDisposable {
  readonly id: string;
  /** What people call it; the id where it has no name. */
  readonly name: string;
  readonly agent: AgentClient;
  /** Whether it was restored from a template or booted, and why; undefined for one that was opened. */
  readonly start: GuestStart | undefined;
  readonly #parts: SandboxParts;
  readonly #resources: AsyncDisposableStack;

  private constructor(parts: SandboxParts, resources: AsyncDisposableStack) {
    this.id = parts.id;
    this.name = parts.name;
    this.agent = parts.agent;
    this.start = parts.start;
    this.#parts = parts;
    this.#resources = resources;
  }

  /**
   * Starts a guest and waits until it answers. `boot-failed` with the phase reached, the console's last lines and a
   * likely cause; `not-found` without an image; `missing-tool` without QEMU; `cancelled` or `timeout` by the signal.
   *
   * @example
   * await using sandbox = await Sandbox.create();
   * const { stdout } = await sandbox.exec({ argv: ["uname", "-a"] }).collect();
   */
  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    const { parts, resources } = await createSandbox(options);
    return new Sandbox(parts, resources);
  }

  /**
   * A sandbox that lives on, by its name, its id or the beginning of one; disposing it leaves it as it is. Any number of
   * processes may open it, of which sixteen are served at once. `not-found`; `guest-lost` if it runs no more; `in-use`
   * if it is paused, or busy for too long.
   */
  static async open(reference: string, options: OpenSandboxOptions = {}): Promise<Sandbox> {
    const { openSandbox } = await import("./open-sandbox.ts");
    const { parts, resources } = await openSandbox(reference, options);
    return new Sandbox(parts, resources);
  }

  /** Resolves when the guest is gone, with the reason. */
  get stopped(): Promise<StopReason> {
    return this.#parts.machine.stopped;
  }

  /** The console's last lines, for a diagnosis. */
  consoleTail(lines?: number): Promise<string[]> {
    return consoleTail(this.#parts, lines);
  }

  /** The guest's files. */
  get files(): GuestFiles {
    return this.agent.files;
  }

  /** Runs a process in the guest: iterate the result for output as it comes, or `collect()` it. */
  exec(request: ProcessRequest, signal?: AbortSignal): Execution {
    return this.agent.exec(this.#withDefaults(request), signal);
  }

  /** Starts a process that goes on by itself, to be attached to later. */
  spawn(request: ProcessRequest, signal?: AbortSignal): ReturnType<AgentClient["start"]> {
    return this.agent.start(this.#withDefaults(request), signal === undefined ? {} : { signal });
  }

  /** A process that runs, or has ended and is remembered, by its name. Leaving it leaves it running. */
  attach(processId: string, options?: AttachOptions): Execution {
    return this.agent.attach(processId, options);
  }

  #withDefaults(request: ProcessRequest): ProcessRequest {
    const { env, ...defaults } = this.#parts.defaults;
    return { ...defaults, ...request, env: { ...env, ...request.env } };
  }

  /** `error`, and where it says that the guest was lost, with how that came about and the console's last lines. */
  explain(error: unknown): Promise<unknown> {
    return explainLoss(this.#parts, error);
  }

  /**
   * Brings home what the guest has done with its attachments; nothing of the workload may run any more. Returns lines for
   * the person: what could not be brought home as it was meant.
   */
  async finish(signal: AbortSignal = new AbortController().signal): Promise<readonly string[]> {
    const reports: string[] = [];
    const { platform, runDirectory, home } = this.#parts;
    const attachments = this.#parts.attachments ?? (await attachedByAnother(platform, home, runDirectory));
    for (const attachment of attachments.toReversed()) {
      reports.push(...(await attachment.finish(targetOf(this.#parts, signal))));
    }
    return reports;
  }

  /** Stops the guest's processor where it is; nothing answers until {@link resume}. */
  pause(): Promise<void> {
    return this.#parts.machine.pause();
  }

  resume(): Promise<void> {
    return this.#parts.machine.resume();
  }

  /** Powers the guest off in order, at the latest after `withinMs` by force. Returns how it ended. */
  async shutdown(withinMs = defaultPowerOffWithinMs): Promise<StopReason> {
    using deadline = this.#parts.platform.clock.deadline(withinMs, "The guest's shutdown");
    try {
      await this.agent.shutdown({ signal: deadline.signal });
      await orAborted(this.#parts.machine.stopped, deadline.signal);
    } catch {
      // A guest that cannot power off, or is gone already, is ended below.
    }
    await this.#parts.machine.kill();
    const reason = await this.#parts.machine.stopped;
    await this[Symbol.asyncDispose]();
    return reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** Loaded only here: whoever made the sandbox has them. */
async function attachedByAnother(
  ...where: [platform: Platform, home: string, runDirectory: string]
): Promise<readonly Attachment[]> {
  const { restoreDiskShares } = await import("../workspace/restore-shares.ts");
  return await restoreDiskShares(...where);
}
