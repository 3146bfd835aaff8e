// Saving a machine's device state to a file and restoring it, by QEMU's migration (docs/devel/migration.rst).
//
// The memory stays where it is: it lies in a named file that the target maps too (`x-ignore-shared`), so what travels
// is about 60 KB. QEMU is confined (`spawn=deny` forbids `exec:`) and knows no `file:` before 8.2, so it goes through a
// Unix socket.

import type { Duplex } from "node:stream";
import { KelpieError, type Platform } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import type { QmpClient } from "../../qmp/qmp-client.ts";
import type { Json } from "../../qmp/messages.ts";

/** A state larger than this is none of ours: the memory went with it. */
const stateLimitBytes = 64 << 20;
const completesWithinMs = 30_000;
const capabilities = [
  { capability: "x-ignore-shared", state: true },
  { capability: "events", state: true },
];

type Parts = Pick<Platform, "clock" | "files" | "network">;

export interface MigrationOptions {
  /** The file of the device state. */
  readonly state: string;
  /** A path for a Unix socket, free and short, and its name as QEMU knows it. */
  readonly socket: string;
  readonly name: string;
  /** Lets QEMU use the socket that we listen on. */
  readonly give: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Stops the machine and writes its state to a new file. Its memory and disks are complete in their files afterwards. */
export async function saveState(platform: Parts, qmp: QmpClient, options: MigrationOptions): Promise<void> {
  const { clock, files, network } = platform;
  const { state, socket, name, give, signal } = options;
  using deadline = clock.deadline(completesWithinMs, "Saving the machine");
  const stop = AbortSignal.any([signal, deadline.signal]);
  const connection = Promise.withResolvers<Duplex>();
  const listener = await network.listenUnix(socket, connection.resolve);
  try {
    await give();
    await qmp.execute("stop");
    await qmp.execute("migrate-set-capabilities", { capabilities });
    await using file = await files.open(state, "create", 0o600);
    const written = connection.promise.then((stream) => drainInto(stream, file));
    const finished = completed(qmp, stop);
    for (const promise of [written, finished]) promise.catch(() => undefined);
    await qmp.execute("migrate", { uri: `unix:${name}` });
    await orAborted(Promise.all([written, finished]), stop);
    await file.sync();
  } finally {
    void connection.promise.then((stream) => stream.destroy());
    // The listener is gone only when its connection is, so nothing waits for this.
    void listener[Symbol.asyncDispose]();
  }
}

/** Gives a machine that was started with `-incoming defer` its state; its processor still stands. */
export async function restoreState(
  platform: Parts,
  qmp: QmpClient,
  options: MigrationOptions,
): Promise<void> {
  const { clock, files, network } = platform;
  const { state, socket, name, signal } = options;
  using deadline = clock.deadline(completesWithinMs, "Restoring the machine");
  const stop = AbortSignal.any([signal, deadline.signal]);
  const content = files.readFile(state, stateLimitBytes);
  // QEMU takes commands in their order, so the second need not wait for the first one's answer.
  const [bytes] = await Promise.all([
    content,
    qmp.execute("migrate-set-capabilities", { capabilities }),
    qmp.execute("migrate-incoming", { uri: `unix:${name}` }),
  ]);
  const finished = completed(qmp, stop);
  finished.catch(() => undefined);
  const stream = await network.connectUnix(socket, stop);
  stream.on("error", () => undefined);
  stream.end(bytes);
  await finished;
  stream.destroy();
}

/** Resolves when QEMU says that a migration, to it or from it, is complete. `process-failed` when it failed. */
async function completed(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  const { data } = await qmp.event(
    ({ name, data: { status } }) => name === "MIGRATION" && isFinal(status),
    signal,
  );
  if (data["status"] === "completed") return;
  throw new KelpieError("process-failed", "QEMU's migration failed", { found: JSON.stringify(data) });
}

function isFinal(status: Json | undefined): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

async function drainInto(
  stream: Duplex,
  file: { write(bytes: Uint8Array, at: number): Promise<void> },
): Promise<void> {
  let size = 0;
  const chunks: AsyncIterable<Uint8Array> = stream;
  for await (const chunk of chunks) {
    if (size + chunk.length > stateLimitBytes) {
      throw new KelpieError("limit-exceeded", "The state of a machine is too large", {
        expected: `at most ${stateLimitBytes} bytes`,
      });
    }
    await file.write(chunk, size);
    size += chunk.length;
  }
}
