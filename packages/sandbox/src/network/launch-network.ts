// Starts the process that serves the network of a sandbox which outlives us.

import { extname, join } from "node:path";
import { KelpieError, type Platform, readTextIfPresent, writeFileAtomic } from "@kelpie/platform";
import { untilPresent } from "../until-present.ts";
import { formatNetworkSettings, type NetworkSettings } from "./network-settings.ts";

const listensWithinMs = 20_000;
const settingsFile = "network.json";
/** Why the process ended before it served: it has nobody to tell. */
export const networkErrorFile = "network.error";
const errorLimitBytes = 4096;

/** Resolves when it listens. Disposing ends it; else its machine's end does. */
export async function launchNetwork(
  platform: Pick<Platform, "clock" | "files" | "host" | "processes" | "random">,
  settings: NetworkSettings,
  runDirectory: string,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { processes, host } = platform;
  const path = join(runDirectory, settingsFile);
  await writeFileAtomic(platform, path, formatNetworkSettings(settings), 0o600);
  const main = join(import.meta.dirname, `network-main${extname(import.meta.filename)}`);
  const pid = await processes.launch(host.program, [main, path], { cwd: runDirectory });
  const end = (): Promise<void> => Promise.resolve(void processes.signal(pid, "SIGTERM"));
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const gone = processes.gone(pid, stop).then(async () => {
    const words = await readTextIfPresent(
      platform.files,
      join(runDirectory, networkErrorFile),
      errorLimitBytes,
    );
    throw new KelpieError("process-failed", "The sandbox's network cannot be served", { found: words ?? "" });
  });
  gone.catch(() => undefined);
  try {
    await Promise.race([untilPresent(platform, settings.socket, listensWithinMs, stop), gone]);
  } catch (error) {
    await end();
    throw error;
  } finally {
    over.abort();
  }
  return { [Symbol.asyncDispose]: end };
}
