// The programs that run inside the VM: compiled once for each state of their sources, then taken from the cache.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { readExecutable } from "@kelpie/formats";
import {
  acquireFileLock,
  type Architecture,
  type Files,
  KelpieError,
  type Platform,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { z } from "zod";
import { runCargo } from "./cargo-build.ts";
import { debianToolchain } from "./debian-toolchain.ts";
import { type GuestSource, readGuestSource, writeGuestSource } from "./guest-source.ts";
import { rustupToolchain } from "./rustup-toolchain.ts";
import { cargoEnvironment, type Toolchain } from "./toolchain.ts";

/** What {@link guestBinaries} needs. */
export interface GuestBinariesOptions {
  readonly platform: Platform;
  /** KELPIE_HOME: compiler, build files and finished binaries are kept under its `cache/`. */
  readonly home: string;
  /** The Cargo workspace: `guest/` of a checkout. */
  readonly sourceDirectory: string;
  readonly architecture: Architecture;
  /** One line of text a step, for a person. */
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Two static executables for one architecture. */
export interface GuestBinaries {
  /** Path of kelpie-init. */
  readonly init: string;
  /** Path of kelpie-guest. */
  readonly agent: string;
  /** "sha256:…" of each. */
  readonly digests: { readonly init: string; readonly agent: string };
  /** The compiler, as it names itself. */
  readonly compiler: string;
}

/** How each program is built. */
const programs = {
  init: { name: "kelpie-init", profile: "init", environment: { KELPIE_NEVER_UNWINDS: "1" } },
  agent: { name: "kelpie-guest", profile: "release", environment: {} },
} as const;
type Program = keyof typeof programs;

const recordName = "build.json";
const maxRecordBytes = 64 * 1024;
const maxProgramBytes = 64 << 20;
const buildRecord = z.strictObject({
  compiler: z.string(),
  digests: z.strictObject({ init: z.string(), agent: z.string() }),
});

/**
 * Builds the guest's programs, or takes them from the cache, where they are kept by the digest of their sources, the compiler
 * and the way they are built. The same digest gives the same bytes, whatever directory, user or time it is built in. Any number
 * of processes may ask at once.
 *
 * @throws KelpieError `missing-tool`, `unreachable`, `process-failed` with the compiler's words, `cancelled`, `disk-full`.
 */
export async function guestBinaries(options: GuestBinariesOptions): Promise<GuestBinaries> {
  const { platform, home, sourceDirectory, architecture, onProgress = () => undefined, signal } = options;
  const source = await readGuestSource(platform.files, sourceDirectory);
  const toolchain = await openToolchain({ platform, home, architecture, onProgress, signal });
  const key = createHash("sha256")
    .update(JSON.stringify([source.sha256, toolchain.identity, toolchain.target, programs]))
    .digest("hex");
  const cache = join(home, "cache", "guest");
  const directory = join(cache, key, architecture);
  const cached = await readFinished(platform.files, directory);
  if (cached !== undefined) return cached;
  await platform.files.makeDirectory(cache);
  await using _lock = await acquireFileLock(platform, join(cache, `.${architecture}.lock`), {
    purpose: "compiling the guest's programs",
    timeoutMs: 1_800_000,
    ...(signal === undefined ? {} : { signal }),
  });
  const finished = await readFinished(platform.files, directory);
  if (finished !== undefined) return finished;
  const work = join(cache, `build-${architecture}`);
  await compile(options, { source, toolchain, work, directory });
  const built = await readFinished(platform.files, directory);
  if (built !== undefined) return built;
  throw new KelpieError("internal", "The guest's programs were built and are not there", {
    where: directory,
  });
}

function openToolchain(options: Parameters<typeof debianToolchain>[0]): Promise<Toolchain> {
  return options.platform.host.operatingSystem === "linux"
    ? debianToolchain(options)
    : rustupToolchain(options);
}

/** What a build has left in `directory`, if every byte of it is as it was then. */
async function readFinished(
  files: Pick<Files, "stat" | "readFile">,
  directory: string,
): Promise<GuestBinaries | undefined> {
  const path = join(directory, recordName);
  if ((await files.stat(path)) === undefined) return undefined;
  const text = new TextDecoder().decode(await files.readFile(path, maxRecordBytes));
  const record = buildRecord.safeParse(tryParseJson(text));
  if (!record.success) return undefined;
  const { compiler, digests } = record.data;
  const place = (program: Program): string => join(directory, programs[program].name);
  for (const program of ["init", "agent"] as const) {
    if ((await files.stat(place(program))) === undefined) return undefined;
    if (sha256(await files.readFile(place(program), maxProgramBytes)) !== digests[program]) return undefined;
  }
  return { init: place("init"), agent: place("agent"), digests, compiler };
}

interface Compilation {
  readonly source: GuestSource;
  readonly toolchain: Toolchain;
  /** Where cargo works; what it compiled last time is used again. */
  readonly work: string;
  /** Where the programs appear, both at once. */
  readonly directory: string;
}

async function compile(
  { platform, architecture, onProgress = () => undefined, signal }: GuestBinariesOptions,
  { source, toolchain, work, directory }: Compilation,
): Promise<void> {
  const { files, host } = platform;
  onProgress(`Compiling the guest's programs for ${architecture} with ${toolchain.compiler}`);
  const tools = join(work, "tools");
  const sources = join(work, "source");
  for (const fresh of [tools, sources]) {
    await files.remove(fresh);
    await files.makeDirectory(fresh);
  }
  await writeGuestSource(files, sources, source);
  const command = await toolchain.prepare(tools);
  const target = join(work, "target");
  for (const { name, profile, environment } of Object.values(programs)) {
    await runCargo(platform, {
      program: command.program,
      args: ["build", "--locked", "--profile", profile, "--package", name, "--target", toolchain.target],
      environment: {
        ...cargoEnvironment(host.environment),
        ...command.environment,
        ...environment,
        CARGO_TARGET_DIR: target,
        CARGO_INCREMENTAL: "0",
        // A person's own wrapper, such as a compiler cache, might see another compiler under the same name.
        RUSTC_WRAPPER: "",
      },
      cwd: join(sources, "guest"),
      onProgress,
      signal,
    });
  }
  const unfinished = `${directory}.new`;
  await files.remove(unfinished);
  await files.makeDirectory(unfinished);
  const take = async (program: Program): Promise<string> => {
    const { name, profile } = programs[program];
    const path = join(target, toolchain.target, profile, name);
    const bytes = await files.readFile(path, maxProgramBytes);
    requireStatic(bytes, architecture, name);
    await writeFileAtomic(platform, join(unfinished, name), bytes, 0o755);
    return sha256(bytes);
  };
  const digests = { init: await take("init"), agent: await take("agent") };
  const record = { compiler: toolchain.compiler, digests };
  await writeFileAtomic(platform, join(unfinished, recordName), `${JSON.stringify(record, null, 2)}\n`);
  await files.remove(directory);
  await files.rename(unfinished, directory);
}

function requireStatic(bytes: Uint8Array, architecture: Architecture, name: string): void {
  const found = readExecutable(bytes, name);
  if (found.isStatic && found.architecture === architecture) return;
  throw new KelpieError("internal", "The compiler made another kind of program than it was asked for", {
    expected: `a static executable for ${architecture}`,
    found: `${found.isStatic ? "a static" : "a dynamic"} one for ${found.architecture}`,
    where: name,
  });
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
