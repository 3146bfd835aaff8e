// A sandbox: a booted guest that answers, and nothing left of it afterwards.

import type { Duplex } from "node:stream";
import { cancelled, KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { AgentClient, type AttachOptions } from "../agent/agent-client.ts";
import type { GuestFiles } from "../agent/guest-files.ts";
import type { Execution } from "../agent/execution.ts";
import type { ProcessRequest } from "../agent/process.ts";
import { orAborted } from "../or-aborted.ts";
import { type GuestStart, startGuest } from "../templates/start-guest.ts";
import { describeStop, type StopReason } from "../vmm/vm-state.ts";
import { KeptMachine } from "../vmm/qemu/kept-machine.ts";
import type { VirtualMachine } from "../vmm/vmm.ts";
import { restoreDiskShares } from "../workspace/restore-shares.ts";
import { type Attachment, type AttachTarget, needsOf, writeDescriptions } from "./attachment.ts";
import { endOf } from "./await-guest.ts";
import { createKeptDirectory } from "./kept-directory.ts";
import { leasePort } from "./lease-port.ts";
import { findSandbox } from "./registry.ts";
import { createRunDirectory } from "./run-directory.ts";
import { homeOf, resolveSource } from "./sandbox-defaults.ts";
import {
  agentPorts,
  defaultMemoryMiB,
  draft,
  hostnameOf,
  keepOptions,
  type OpenSandboxOptions,
  type RequestDefaults,
  requestDefaults,
  type SandboxOptions,
} from "./sandbox-options.ts";
import type { SandboxState } from "./sandbox-state.ts";

const defaultBootTimeoutMs = 60_000;
const defaultPowerOffWithinMs = 10_000;
const consoleLines = 20;
const answersWithinMs = 10_000;

/** What of the constructor's arguments is always there. */
interface SandboxParts {
  readonly platform: Platform;
  readonly id: string;
  readonly name: string;
  readonly runDirectory: string;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly machine: VirtualMachine;
  readonly agent: AgentClient;
  readonly start: GuestStart | undefined;
  /** Undefined where another process attached them. */
  readonly attachments: readonly Attachment[] | undefined;
  readonly livesOn: boolean;
  readonly defaults: RequestDefaults;
  readonly resources: AsyncDisposableStack;
}

/** A guest that runs and answers. Dispose it, and its processes, sockets and files are gone, unless it lives on. */
export class Sandbox implements AsyncDisposable {
  readonly id: string;
  /** What people call it; the id where it has no name. */
  readonly name: string;
  readonly agent: AgentClient;
  /** Whether it was restored from a template or booted, and why; undefined for one that was opened. */
  readonly start: GuestStart | undefined;
  readonly #parts: SandboxParts;
  readonly #platform: Platform;
  readonly #machine: VirtualMachine;

  private constructor(parts: SandboxParts) {
    this.id = parts.id;
    this.name = parts.name;
    this.agent = parts.agent;
    this.start = parts.start;
    this.#parts = parts;
    this.#platform = parts.platform;
    this.#machine = parts.machine;
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
    const { memoryMiB = defaultMemoryMiB, cpus = 1, diskBytes, attachments = [], keep } = options;
    const { start = "auto", bootTimeoutMs = defaultBootTimeoutMs } = options;
    const { signal = new AbortController().signal } = options;
    const source = await resolveSource(options, signal);
    const { platform, home, image, vmm } = source;
    await using resources = new AsyncDisposableStack();
    const kept =
      keep === undefined
        ? undefined
        : await createKeptDirectory(platform, home, draft(options, keep, source));
    const directory = resources.use(kept ?? (await createRunDirectory(platform, home)));
    const held = await source.lease(
      kept === undefined
        ? { holder: `sandbox ${directory.id}` }
        : { holder: `sandbox ${kept.record.name}`, whileExists: directory.path },
    );
    // What is attached to a sandbox that lives on lives on with it, and so does its image.
    let isLetGo = false;
    resources.defer(async () => (isLetGo ? undefined : held[Symbol.asyncDispose]()));
    for (const attachment of attachments) {
      resources.defer(async () => (isLetGo ? undefined : attachment[Symbol.asyncDispose]()));
    }
    const lease = { directory: directory.path, ports: agentPorts, name: directory.id, signal };
    const agentPort = kept === undefined ? 0 : resources.use(await leasePort(platform, lease)).index;
    const spec = {
      ...{ image, memoryMiB, cpus, agentPorts, runDirectory: directory.path },
      hostname: hostnameOf(
        kept?.record.name ?? `${image.hostname?.slice(0, 40) ?? "kelpie"}-${directory.id}`,
      ),
      ...(diskBytes === undefined ? {} : { diskBytes }),
      ...(keep === undefined ? {} : { keep: keepOptions(keep, bootTimeoutMs) }),
      ...needsOf(attachments),
    };
    const guest = resources.use(
      await startGuest({ platform, vmm, home, spec, agentPort, start, bootTimeoutMs, signal }),
    );
    const { id, path: runDirectory } = directory;
    const name = kept?.record.name ?? id;
    const parts = {
      platform,
      id,
      name,
      ...{ runDirectory, home },
      ...{ machine: guest.machine, agent: guest.agent, start: guest.start },
      ...{ attachments, livesOn: keep !== undefined },
      defaults: requestDefaults(options),
    };
    const sandbox = new Sandbox({ ...parts, resources: resources.move() });
    try {
      for (const attachment of attachments) await attachment.attach(sandbox.#target(signal));
      if (kept !== undefined) {
        await writeDescriptions(platform, runDirectory, attachments);
        await kept.confirm();
        await guest.machine.release();
        isLetGo = true;
      }
    } catch (error) {
      await using _ = sandbox;
      throw signal.aborted ? cancelled(signal) : await sandbox.explain(error);
    }
    return sandbox;
  }

  /**
   * A sandbox that lives on, by its name, its id or the beginning of one; disposing it leaves it as it is. Any number of
   * processes may open it, of which sixteen are served at once. `not-found`; `guest-lost` if it runs no more; `in-use`
   * if it is paused, or busy for too long.
   */
  static async open(reference: string, options: OpenSandboxOptions = {}): Promise<Sandbox> {
    const { platform = realPlatform, signal = new AbortController().signal } = options;
    const home = homeOf(platform, options.home);
    const { directory, record, state } = await findSandbox(platform, home, reference);
    requireRunning(record.name, state);
    const { id, name, agentPorts: ports } = record;
    await using resources = new AsyncDisposableStack();
    const machine = resources.use(await KeptMachine.attach(platform, directory));
    const port = resources.use(await leasePort(platform, { directory, ports, name, signal }));
    const open = (wanted: AbortSignal): Promise<Duplex> => machine.connectAgent(port.index, wanted);
    const agent = resources.use(new AgentClient({ ...platform, open }));
    using deadline = platform.clock.deadline(answersWithinMs, `The agent of sandbox ${name}`);
    // Not `connect`: the port's last user may just have left, and a hello that meets that is lost and said again.
    await agent.ping({ signal: AbortSignal.any([signal, deadline.signal]) });
    const parts = {
      platform,
      home,
      id,
      name,
      runDirectory: directory,
      machine,
      agent,
      attachments: undefined,
      livesOn: true,
    };
    return new Sandbox({
      ...parts,
      start: undefined,
      defaults: requestDefaults(record),
      resources: resources.move(),
    });
  }

  /** Resolves when the guest is gone, with the reason. */
  get stopped(): Promise<StopReason> {
    return this.#machine.stopped;
  }

  /** The console's last lines, for a diagnosis. */
  async consoleTail(lines = consoleLines): Promise<string[]> {
    return (await this.#machine.diagnose()).console.lastLines(lines);
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
    const { platform, runDirectory, home } = this.#parts;
    const attachments = this.#parts.attachments ?? (await restoreDiskShares(platform, home, runDirectory));
    for (const attachment of attachments.toReversed()) {
      reports.push(...(await attachment.finish(this.#target(signal))));
    }
    return reports;
  }

  #target(signal: AbortSignal): AttachTarget {
    const { machine, agent, runDirectory, livesOn } = this.#parts;
    return { machine, agent, runDirectory, livesOn, signal };
  }

  /** Stops the guest's processor where it is; nothing answers until {@link resume}. */
  pause(): Promise<void> {
    return this.#machine.pause();
  }

  resume(): Promise<void> {
    return this.#machine.resume();
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
    await this.#machine.kill();
    const reason = await this.#machine.stopped;
    await this[Symbol.asyncDispose]();
    return reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources.disposeAsync();
  }
}

function requireRunning(name: string, state: SandboxState): void {
  switch (state.kind) {
    case "running":
      return;
    case "creating":
      throw new KelpieError("in-use", `Sandbox ${name} is still being created`);
    case "paused":
      throw new KelpieError("in-use", `Sandbox ${name} is paused`, {
        found: state.reason,
        help: `kelpie sandbox resume ${name}`,
      });
    case "stopped":
    case "failed":
    case "lost":
      throw new KelpieError("guest-lost", `Sandbox ${name} does not run`, {
        found: `${state.kind}: ${state.reason}`,
        help: `See its console: kelpie sandbox logs ${name}`,
      });
    default:
      state satisfies never;
  }
}
