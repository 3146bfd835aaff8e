// A real agent that is killed between taking a start and answering it: the next one must not start the process again.

import assert from "node:assert/strict";
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import { startAgentProcess } from "./agent-process.ts";
import { socketPair } from "./socket-pair.ts";

const program = process.env["KELPIE_AGENT"] ?? "";
const skip = program === "" ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : false;

/** `agent`'s bytes as the host gets them, until they are withheld. */
async function withholding(agent: Duplex): Promise<{ readonly host: Duplex; readonly withhold: () => void }> {
  const [host, inner] = await socketPair();
  for (const end of [agent, inner]) end.on("error", () => undefined);
  inner.on("data", (bytes: Buffer) => agent.write(bytes));
  inner.on("close", () => agent.destroy());
  const pass = (bytes: Buffer): unknown => inner.write(bytes);
  agent.on("data", pass);
  agent.on("close", () => inner.destroy());
  return { host, withhold: () => void agent.off("data", pass).resume() };
}

/** Resolves when the file `name` has come into being. */
async function appearance(directory: string, name: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const watcher = watch(directory, (_, changed) => {
    if (changed === name) resolve(undefined);
  });
  await promise;
  watcher.close();
}

const ways = {
  exec: (client: AgentClient, script: string): Promise<unknown> =>
    client.exec({ argv: ["/bin/sh", "-c", script] }).collect(),
  start: (client: AgentClient, script: string): Promise<unknown> =>
    client.start({ argv: ["/bin/sh", "-c", script] }),
};

for (const [name, way] of Object.entries(ways)) {
  const title = `what ${name} was asked of an agent that died before it answered, the next agent does not do`;
  test(title, { skip, timeout: 30_000 }, async () => {
    await using directory = await realPlatform.files.temporaryDirectory("kelpie-once-");
    await using first = await startAgentProcess(program, directory.path);
    const links: Awaited<ReturnType<typeof withholding>>[] = [];
    const isBack = Promise.withResolvers<undefined>();
    const open = async (signal: AbortSignal): Promise<Duplex> => {
      if (links.length > 0) await isBack.promise;
      const link = await withholding(await realPlatform.network.connectUnix(first.socket, signal));
      links.push(link);
      return link.host;
    };
    await using client = new AgentClient({ ...realPlatform, open });
    await client.ping();
    links[0]?.withhold();
    const book = `${directory.path}/book`;
    const started = appearance(directory.path, "book");
    const run = way(client, `echo ran >>${book}`);
    const lost = assert.rejects(
      run,
      (error) => KelpieError.is(error) && error.code === "guest-lost" && /not known/.test(error.message),
    );
    await started;
    await first[Symbol.asyncDispose]();
    await using second = await startAgentProcess(program, directory.path);
    assert.equal(second.socket, first.socket);
    isBack.resolve(undefined);
    await lost;
    // It answers, so whatever it was asked before was done by now.
    const { end } = await client.exec({ argv: ["/bin/true"] }).collect();
    assert.deepEqual(end, { kind: "exited", code: 0, cause: "own" });
    assert.equal(await readFile(book, "utf8"), "ran\n");
  });
}
