// An apt of our own beside the host's: the host's configuration, proxies, credentials and methods, with state, cache and
// sources in a directory of ours. Nothing of the system is written, and no right is needed.

import { join } from "node:path";
import { type Architecture, KelpieError, type Platform, type ProcessResult } from "@kelpie/platform";
import { aptEnvironment } from "./host-sources.ts";

export type AptPlatform = Pick<Platform, "files" | "processes" | "host">;

/** A prepared directory for a private apt. */
export interface PrivateApt {
  readonly directory: string;
  readonly configuration: string;
}

/** Where Debian's apt package keeps its helper; it is not on PATH. */
export const aptHelper = "/usr/lib/apt/apt-helper";

/** A slow line and a kernel's sources take long; an apt that hangs must still end. */
const timeoutMs = 10 * 60_000;
const maxOutputBytes = 4 << 20;

/** Whether the host has an apt that can be driven. */
export async function hasApt({ files, processes }: AptPlatform): Promise<boolean> {
  const programs = await Promise.all(["apt-get", "apt-config"].map((name) => processes.find(name)));
  return !programs.includes(undefined) && (await files.stat(aptHelper)) !== undefined;
}

/** Lays out the directory; what is there already stays. `sources` is the text of a deb822 sources file. */
export async function preparePrivateApt(
  { files, host }: Pick<AptPlatform, "files" | "host">,
  directory: string,
  architecture: Architecture,
  sources: string,
): Promise<PrivateApt> {
  for (const name of ["state/lists/partial", "cache/archives/partial", "preferences.d"])
    await files.makeDirectory(join(directory, name));
  const configuration = join(directory, "apt.conf");
  await write(files, join(directory, "state/status"), "");
  await write(files, join(directory, "kelpie.sources"), sources);
  await write(files, configuration, configurationText(directory, architecture, host.uid));
  return { directory, configuration };
}

/** Runs one of apt's programs on the private state. A bad exit is in the result, not an error. */
export function runApt(
  { processes, host }: AptPlatform,
  { configuration }: PrivateApt,
  program: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<ProcessResult> {
  return processes.run(program, ["-c", configuration, ...args], {
    env: aptEnvironment(host),
    // apt's download methods are children of its own: they go with it.
    ownGroup: true,
    timeoutMs,
    maxOutputBytes,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The lines in which apt says what went wrong ("E: …", "W: …", "Err:…"), for a message. */
export function aptComplaints({ stdout, stderr }: ProcessResult): string {
  const lines = `${new TextDecoder().decode(stdout)}\n${stderr}`.split("\n");
  return lines
    .filter((line) => /^(E:|W:|Err:)/.test(line))
    .slice(0, 20)
    .join("\n");
}

function configurationText(directory: string, architecture: Architecture, uid: number): string {
  const quoted = (path: string): string => {
    if (/["\\\n]/.test(path))
      throw new KelpieError("unsupported", "apt cannot be given a path with quotes or backslashes", {
        found: path,
      });
    return `"${path}"`;
  };
  // Read after the host's own configuration (-c), so it wins; lists of the host's are cleared by name. Hooks are: they
  // act on the system. Signatures are demanded whatever the host allows itself.
  return `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Post-Invoke-Stats;
#clear APT::Architectures;
#clear APT::Default-Release;
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
${uid === 0 ? '// Its own user could not enter a directory of root\'s.\nAPT::Sandbox::User "root";\n' : ""}Dir::State ${quoted(join(directory, "state"))};
Dir::State::lists "lists/";
Dir::State::status ${quoted(join(directory, "state/status"))};
Dir::State::extended_states "extended_states";
Dir::Cache ${quoted(join(directory, "cache"))};
Dir::Cache::archives "archives/";
Dir::Etc::sourcelist ${quoted(join(directory, "kelpie.sources"))};
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts ${quoted(join(directory, "preferences.d"))};
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::GzipIndexes "false";
Acquire::Languages { "none"; };
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
`;
}

async function write(files: Platform["files"], path: string, text: string): Promise<void> {
  await using handle = await files.open(path, "replace");
  await handle.write(new TextEncoder().encode(text), 0);
}
