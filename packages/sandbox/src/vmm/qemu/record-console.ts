// The guest's console, from QEMU's standard output into the log and, up to a bound, into a file.

import type { ChildProcess, Files } from "@kelpie/platform";
import type { ConsoleLog } from "../console-log.ts";

const fileLimitBytes = 1 << 20;

/** Reads until the console ends, however it ends; never rejects. A file that cannot be written is given up. */
export async function recordConsole(
  files: Files,
  { stdout }: ChildProcess,
  path: string,
  log: ConsoleLog,
): Promise<void> {
  if (stdout === undefined) return;
  // It is read from the first moment: Node.js throws away what nobody reads when the process ends.
  const opening = files.open(path, "create", 0o600).catch(() => undefined);
  let written = 0;
  try {
    const chunks: AsyncIterable<Uint8Array> = stdout;
    for await (const chunk of chunks) {
      log.append(chunk);
      const file = await opening;
      const kept = chunk.subarray(0, fileLimitBytes - written);
      if (file === undefined || kept.length === 0) continue;
      // Not later than the next chunk: a machine that ends badly leaves its last words in the file.
      await file.write(kept, written).catch(() => undefined);
      written += kept.length;
    }
  } catch {
    // The pipe broke because the machine was killed: what came before is recorded.
  } finally {
    await (await opening)?.close().catch(() => undefined);
  }
}
