// What a sandbox can be asked to be, and how that reads for its keeper, its record and its commands.

import type { ProcessRequest } from "../agent/process.ts";
import type { StartKind } from "../templates/start-guest.ts";
import type { KeepOptions } from "../vmm/vmm.ts";
import type { AgentTransport } from "./agent-transport.ts";
import type { Attachment } from "./attachment.ts";
import type { SandboxDraft } from "./kept-directory.ts";
import type { ResolvedSource, SandboxSource } from "./sandbox-defaults.ts";

export const defaultMemoryMiB = 512;
/** One session each; the same for every sandbox, so that all can start from one template. */
export const agentPorts = 16;
/** Beyond the boot, for what is attached. */
const keeperPatienceMs = 60_000;

/** What a sandbox is made of; everything has a default. */
export interface SandboxOptions extends SandboxSource {
  /** Default 512. */
  readonly memoryMiB?: number;
  /** Default 1. */
  readonly cpus?: number;
  /** Size of the root disk that the guest sees; the image's own when absent. `invalid-input` for less. */
  readonly diskBytes?: number;
  /** How many processes a command, with all that it starts, may have. No limit when absent. */
  readonly pidsLimit?: number;
  /** Variables of every command. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * `auto`, the default, restores a template of the image and this shape, makes it first where there is none, and boots
   * where that cannot be; {@link Sandbox.start} says why. `warm` fails instead, and `cold` always boots.
   */
  readonly start?: StartKind;
  /** By which way its agent is reached. Default `auto`: the monitor's own choice. */
  readonly agentTransport?: AgentTransport;
  /** How long the guest may take to answer. Default a minute: an emulated guest on a busy host is slow. */
  readonly bootTimeoutMs?: number;
  /** What of the world outside it gets, in this order. They are disposed with it. */
  readonly attachments?: readonly Attachment[];
  /** Lets it live on when it is disposed and when this process ends: any process may {@link Sandbox.open} it. */
  readonly keep?: KeepSandbox;
  /** Aborting it ends the start. A sandbox that has started ends when it is disposed. */
  readonly signal?: AbortSignal;
}

/** How a sandbox lives on. Nothing ends it but `stop`, `kill` and its own power-off where no time is given. */
export interface KeepSandbox {
  /** What people call it; a friendly name is made up when absent. `already-exists` if it is taken. */
  readonly name?: string;
  /** Ends it this long after its start. */
  readonly ttlMs?: number;
  /** Ends it when nobody was connected for this long, to within an eighth. */
  readonly idleTimeoutMs?: number;
  /** Removes all that is left of it when it has ended. Default false: its console and its end can be looked at. */
  readonly removeAtEnd?: boolean;
}

/** How to find a sandbox that lives on. */
export type OpenSandboxOptions = Pick<SandboxOptions, "platform" | "home" | "signal">;

/** See {@link requestDefaults}. */
export type RequestDefaults = Pick<ProcessRequest, "env" | "pidsLimit">;

/** What the keeper is told. */
export function keepOptions(
  { ttlMs, idleTimeoutMs, removeAtEnd = false }: KeepSandbox,
  bootTimeoutMs: number,
): KeepOptions {
  return {
    startWithinSeconds: (bootTimeoutMs + keeperPatienceMs) / 1000,
    removeAtEnd,
    ...(ttlMs === undefined ? {} : { ttlSeconds: ttlMs / 1000 }),
    ...(idleTimeoutMs === undefined ? {} : { idleSeconds: idleTimeoutMs / 1000 }),
  };
}

/** What is written down of it. */
export function draft(options: SandboxOptions, keep: KeepSandbox, source: ResolvedSource): SandboxDraft {
  const { memoryMiB = defaultMemoryMiB, cpus = 1, diskBytes, pidsLimit, env = {} } = options;
  const { name, ttlMs, idleTimeoutMs, removeAtEnd = false } = keep;
  return {
    image: source.imageRecord,
    vmm: source.vmm.name,
    monitorDescription: source.vmm.description,
    ...{ memoryMiB, cpus, agentPorts, env, removeAtEnd },
    ...(name === undefined ? {} : { name }),
    ...(diskBytes === undefined ? {} : { diskBytes }),
    ...(pidsLimit === undefined ? {} : { pidsLimit }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
  };
}

/** What every command of it gets. */
export function requestDefaults({
  env,
  pidsLimit,
}: Pick<SandboxOptions, "env" | "pidsLimit">): RequestDefaults {
  return { ...(env === undefined ? {} : { env }), ...(pidsLimit === undefined ? {} : { pidsLimit }) };
}

/** A sandbox's name as a host name, which has neither dots nor underscores here (RFC 1123). */
export function hostnameOf(name: string | undefined): string {
  return name?.replaceAll(/[._]/g, "-") ?? "kelpie";
}
