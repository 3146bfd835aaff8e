// Installs what is missing through the system's package manager, or says what to type.

import { KelpieError, type Platform, type Terminal } from "@kelpie/platform";
import type { PackageManager, Requirement } from "./requirement.ts";

const installCommands: Readonly<Record<PackageManager, readonly string[]>> = {
  "apt-get": ["apt-get", "install", "--yes", "--no-install-recommends"],
  dnf: ["dnf", "install", "--assumeyes"],
  pacman: ["pacman", "-S", "--noconfirm", "--needed"],
  apk: ["apk", "add"],
  brew: ["brew", "install"],
};

const packageManagers = Object.keys(installCommands) as readonly PackageManager[];

/** Those requirements that the machine does not meet. */
export async function missingRequirements(
  { processes }: Platform,
  requirements: readonly Requirement[],
): Promise<Requirement[]> {
  const found = await Promise.all(requirements.map(({ program }) => processes.find(program)));
  return requirements.filter((_, index) => found[index] === undefined);
}

/**
 * Says what is missing and why, and installs it as root or through sudo.
 *
 * @throws KelpieError `missing-tool` with the exact command where that is not possible.
 */
export async function installMissing(
  platform: Platform,
  terminal: Terminal,
  missing: readonly Requirement[],
  signal: AbortSignal,
): Promise<void> {
  const found = await installation(platform, missing);
  if (found === undefined) {
    const names = missing.map(({ program }) => program).join(", ");
    throw new KelpieError("missing-tool", `These programs are missing: ${names}`, {
      help: "Install them with your system's package manager, then run this again.",
    });
  }
  for (const { program, why } of missing) terminal.stderr.write(`kelpie: ${program} is missing: it ${why}\n`);
  const { manager, install } = found;
  const prefix = await rightsPrefix(platform, terminal, manager);
  if (prefix === undefined) {
    throw new KelpieError(
      "missing-tool",
      "Installing needs root, and there is no sudo that works without asking",
      {
        help: `Run this, then try again:\n${asRoot(install)}`,
      },
    );
  }
  const steps = manager === "apt-get" ? [["apt-get", "update", "--quiet=2"], install] : [install];
  for (const step of steps)
    await runVisibly(platform, terminal, [...prefix, ...step], asRoot(install), signal);
}

/** The command line that installs what requirements ask for, as a person would type it; undefined where none is known. */
export async function installByHand(
  platform: Platform,
  requirements: readonly Requirement[],
): Promise<string | undefined> {
  const found = await installation(platform, requirements);
  if (found === undefined) return undefined;
  return found.manager === "brew" ? found.install.join(" ") : asRoot(found.install);
}

/** The package manager of this system and the words that install with it what requirements ask for. */
async function installation(
  platform: Platform,
  requirements: readonly Requirement[],
): Promise<{ readonly manager: PackageManager; readonly install: readonly string[] } | undefined> {
  const manager = await findPackageManager(platform);
  const packages =
    manager === undefined ? [] : requirements.flatMap((requirement) => requirement.packages[manager] ?? []);
  if (manager === undefined || packages.length === 0) return undefined;
  return { manager, install: [...installCommands[manager], ...new Set(packages)] };
}

function asRoot(install: readonly string[]): string {
  const steps = install[0] === "apt-get" ? [["apt-get", "update"], install] : [install];
  return steps.map((step) => `sudo ${step.join(" ")}`).join(" && ");
}

async function findPackageManager({ processes }: Platform): Promise<PackageManager | undefined> {
  for (const manager of packageManagers) {
    if ((await processes.find(manager)) !== undefined) return manager;
  }
  return undefined;
}

/** What to put before a command that needs root, or undefined where nothing helps. Homebrew wants no root. */
async function rightsPrefix(
  { host, processes }: Platform,
  terminal: Terminal,
  manager: PackageManager,
): Promise<readonly string[] | undefined> {
  if (host.uid === 0 || manager === "brew") return [];
  if ((await processes.find("sudo")) === undefined) return undefined;
  // On a terminal sudo can ask for the password; elsewhere it must not need one.
  if (terminal.isTerminal.stdin) return ["sudo"];
  const { exit } = await processes.run("sudo", ["--non-interactive", "true"]);
  return exit.kind === "exited" && exit.code === 0 ? ["sudo", "--non-interactive"] : undefined;
}

async function runVisibly(
  { host, processes }: Platform,
  terminal: Terminal,
  words: readonly string[],
  byHand: string,
  signal: AbortSignal,
): Promise<void> {
  const [program = "", ...args] = words;
  terminal.stderr.write(`kelpie: running ${words.join(" ")}\n`);
  const environment = Object.fromEntries(
    Object.entries(host.environment).filter(([, value]) => value !== undefined),
  );
  const result = await processes.run(program, args, {
    env: { ...(environment as Record<string, string>), DEBIAN_FRONTEND: "noninteractive" },
    timeoutMs: 1_800_000,
    signal,
  });
  if (result.exit.kind === "exited" && result.exit.code === 0) return;
  throw new KelpieError("process-failed", `${program} could not install what is missing`, {
    found: `${new TextDecoder().decode(result.stdout).slice(-1000)}${result.stderr.slice(-2000)}`.trim(),
    help: `Run this yourself, then try again:\n${byHand}`,
  });
}
