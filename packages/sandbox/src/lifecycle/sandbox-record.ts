// What is written down of a sandbox that lives on: its state.json, checked when it is read.

import { join } from "node:path";
import {
  type Architecture,
  architectures,
  KelpieError,
  type Platform,
  type ProcessIdentity,
  readTextIfPresent,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { type VmmName, vmmNames } from "../vmm/capabilities.ts";

/** How far the start came. What happened later is the keeper's to say. */
export type SandboxPhase =
  | { readonly kind: "creating" }
  | { readonly kind: "ready"; readonly keeper: ProcessIdentity; readonly monitor: ProcessIdentity };

/** A sandbox as its creator wrote it down. Times are milliseconds since 1970, and durations milliseconds. */
export interface SandboxRecord {
  readonly schema: 1;
  readonly id: string;
  readonly name: string;
  readonly image: SandboxImage;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly diskBytes?: number;
  readonly agentPorts: number;
  /** How many processes each command, with all that it starts, may have. */
  readonly pidsLimit?: number;
  /** Variables of every command. */
  readonly env: Readonly<Record<string, string>>;
  /** Which monitor runs it. */
  readonly vmm: VmmName;
  readonly monitorDescription: string;
  readonly createdMs: number;
  readonly ttlMs?: number;
  readonly idleTimeoutMs?: number;
  readonly removeAtEnd: boolean;
  /** The boot of the host that it runs in. */
  readonly hostBoot: string;
  readonly creator: ProcessIdentity;
  readonly phase: SandboxPhase;
}

/** What it was made from. The version is empty for files that are in no store. */
export interface SandboxImage {
  readonly name: string;
  readonly version: string;
  readonly architecture: Architecture;
  /** The directory of the store that has it; empty as the version is. */
  readonly directory: string;
}

const recordFile = "state.json";
const recordLimitBytes = 256 << 10;

/** Writes the record so that a reader sees the old one or the new one. */
export async function writeRecord(
  platform: Pick<Platform, "files" | "host" | "random">,
  directory: string,
  record: SandboxRecord,
): Promise<void> {
  await writeFileAtomic(
    platform,
    join(directory, recordFile),
    `${JSON.stringify(record, undefined, 2)}\n`,
    0o600,
  );
}

/** Whether there is a record, good or bad. */
export async function hasRecord({ files }: Pick<Platform, "files">, directory: string): Promise<boolean> {
  return (await files.lstat(join(directory, recordFile))) !== undefined;
}

/** Reads a record; undefined where there is none. `malformed` where it is none of ours. */
export async function readRecord(
  { files }: Pick<Platform, "files">,
  directory: string,
): Promise<SandboxRecord | undefined> {
  const path = join(directory, recordFile);
  const text = await readTextIfPresent(files, path, recordLimitBytes);
  return text === undefined ? undefined : new Fields(tryParseJson(text), path).record();
}

/** A JSON object's fields with the types that they must have. */
class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    this.#where = where;
    if (!isObject(value)) throw this.#wrong("an object");
    this.#fields = value;
  }

  record(): SandboxRecord {
    if (this.#fields["schema"] !== 1) throw this.#wrong("schema 1");
    const image = this.#object("image");
    const architecture = architectures.find((name) => name === image.#fields["architecture"]);
    if (architecture === undefined) throw this.#wrong("an architecture");
    return {
      schema: 1,
      id: this.#text("id"),
      name: this.#text("name"),
      image: {
        name: image.#text("name"),
        version: image.#text("version"),
        directory: image.#text("directory"),
        architecture,
      },
      memoryMiB: this.#number("memoryMiB"),
      cpus: this.#number("cpus"),
      agentPorts: this.#number("agentPorts"),
      ...this.#optional("diskBytes"),
      ...this.#optional("pidsLimit"),
      env: this.#object("env").#texts(),
      vmm: this.#vmm(),
      monitorDescription: this.#text("monitorDescription"),
      createdMs: this.#number("createdMs"),
      ...this.#optional("ttlMs"),
      ...this.#optional("idleTimeoutMs"),
      removeAtEnd: this.#fields["removeAtEnd"] === true,
      hostBoot: this.#text("hostBoot"),
      creator: this.#object("creator").#process(),
      phase: this.#object("phase").#phase(),
    };
  }

  /** Records from before there was a choice name none. */
  #vmm(): VmmName {
    const found = this.#fields["vmm"] ?? "qemu";
    const name = vmmNames.find((known) => known === found);
    if (name === undefined) throw this.#wrong(`one of ${vmmNames.join(", ")} as vmm`);
    return name;
  }

  #phase(): SandboxPhase {
    const kind = this.#text("kind");
    if (kind === "creating") return { kind };
    if (kind !== "ready") throw this.#wrong("a phase");
    return { kind, keeper: this.#object("keeper").#process(), monitor: this.#object("monitor").#process() };
  }

  #process(): ProcessIdentity {
    return { pid: this.#number("pid"), startTime: this.#text("startTime") };
  }

  #text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== "string") throw this.#wrong(`text as ${name}`);
    return value;
  }

  #number(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw this.#wrong(`a whole number as ${name}`);
    }
    return value;
  }

  #optional<N extends string>(name: N): { readonly [K in N]?: number } {
    return this.#fields[name] === undefined ? {} : ({ [name]: this.#number(name) } as { [K in N]: number });
  }

  #object(name: string): Fields {
    return new Fields(this.#fields[name], this.#where);
  }

  #texts(): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.keys(this.#fields).map((name) => [name, this.#text(name)]));
  }

  #wrong(expected: string): KelpieError {
    return new KelpieError("malformed", "The record of a sandbox is damaged", {
      expected,
      where: this.#where,
    });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
