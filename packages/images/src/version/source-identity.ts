// Which commit a build is made from, and when that was (docs/adr/0003-dates-come-from-the-commit.md).

import { KelpieError, type Platform } from "@kelpie/platform";

/** What a version's date and commit, and every time stamp in an image, come from. */
export interface SourceIdentity {
  /** The whole commit hash; zeros outside a git checkout. */
  readonly gitSha: string;
  /** Seconds since the Unix epoch: SOURCE_DATE_EPOCH, the commit's time, or 0. */
  readonly epochSeconds: number;
}

const unknownCommit = "0".repeat(40);
const latestEpochSeconds = 253_402_300_799; // the last second of the year 9999

/**
 * The identity of the checkout that holds `directory`.
 *
 * @throws KelpieError `usage` for a SOURCE_DATE_EPOCH that is not a time.
 */
export async function sourceIdentity(
  { host, processes }: Pick<Platform, "host" | "processes">,
  directory: string,
): Promise<SourceIdentity> {
  const given = givenEpoch(host.environment["SOURCE_DATE_EPOCH"]);
  const commit =
    (await processes.find("git")) === undefined ? undefined : await headCommit(processes, directory);
  return { gitSha: commit?.gitSha ?? unknownCommit, epochSeconds: given ?? commit?.epochSeconds ?? 0 };
}

function givenEpoch(value: string | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  const seconds = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
  if (seconds <= latestEpochSeconds) return seconds;
  throw new KelpieError("usage", "SOURCE_DATE_EPOCH is not a time", {
    expected: "whole seconds since 1970, at most those of the year 9999",
    found: JSON.stringify(value.slice(0, 40)),
  });
}

async function headCommit(
  processes: Platform["processes"],
  directory: string,
): Promise<SourceIdentity | undefined> {
  const { exit, stdout } = await processes.run("git", ["-C", directory, "log", "-1", "--format=%H %ct"]);
  const match = /^([0-9a-f]{40,64}) (\d{1,12})\n$/.exec(new TextDecoder().decode(stdout));
  if (exit.kind !== "exited" || exit.code !== 0 || match === null) return undefined;
  return { gitSha: match[1] ?? unknownCommit, epochSeconds: Number(match[2]) };
}
