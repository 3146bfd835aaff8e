// Waiting for a socket of a process that is not our child and has no way to tell us.

import type { Platform } from "@kelpie/platform";

const lookAgainAfterMs = 5;

/** Resolves when something stands at `path`; `timeout` or the signal's reason where it does not. */
export async function untilPresent(
  { clock, files }: Pick<Platform, "clock" | "files">,
  path: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<void> {
  using deadline = clock.deadline(withinMs, `Waiting for ${path}`);
  const stop = AbortSignal.any([signal, deadline.signal]);
  while ((await files.lstat(path)) === undefined) await clock.sleep(lookAgainAfterMs, stop);
}
