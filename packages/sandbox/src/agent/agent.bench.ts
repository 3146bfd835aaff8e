// How quick the agent is in an emulated or accelerated guest: calls, processes, files.

import type { BenchCase, PreparedBench } from "../../../../tools/bench/case.ts";
import type { AgentClient } from "./agent-client.ts";

const calls = 100;
const processes = 20;
const fileBytes = 32 << 20;

/** A case in a guest of its own. Nothing is loaded before it is chosen. */
function inGuest(
  name: string,
  rest: Pick<BenchCase, "goal" | "runs">,
  prepare: (client: AgentClient) => Promise<Omit<PreparedBench, "cleanUp">>,
): BenchCase {
  return {
    name,
    ...rest,
    async prepare() {
      const { bootAgentVm } = await import("../testing/agent-vm.ts");
      const { findTestImage } = await import("../testing/test-image.ts");
      const found = await findTestImage("amd64");
      if ("skip" in found) return found;
      const vm = await bootAgentVm(found.image, 1);
      const client = vm.connect(0);
      const cleanUp = async (): Promise<void> => {
        await client[Symbol.asyncDispose]();
        await vm[Symbol.asyncDispose]();
      };
      return { ...(await prepare(client)), cleanUp };
    },
  };
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(1 << 20).fill(7);
  for (let at = 0; at < fileBytes; at += piece.length) yield await Promise.resolve(piece);
}

const cases: readonly BenchCase[] = [
  inGuest("agent: ping", { goal: { medianMs: 3 }, runs: 10 }, (client) =>
    Promise.resolve({
      operations: calls,
      async run() {
        for (let i = 0; i < calls; i++) await client.ping();
      },
    }),
  ),
  inGuest("agent: exec true", { goal: { medianMs: 15 }, runs: 10 }, (client) =>
    Promise.resolve({
      operations: processes,
      async run() {
        for (let i = 0; i < processes; i++) await client.exec({ argv: ["/bin/true"] }).collect();
      },
    }),
  ),
  inGuest("agent: write a file", { runs: 7 }, (client) =>
    Promise.resolve({
      bytes: fileBytes,
      run: () => client.files.write("/tmp/bench", pieces()),
      reset: () => client.files.remove("/tmp/bench", { missingOk: true }),
    }),
  ),
  inGuest("agent: read a file", { runs: 7 }, async (client) => {
    await client.files.write("/tmp/bench", pieces());
    return {
      bytes: fileBytes,
      async run() {
        for await (const _ of client.files.read("/tmp/bench"));
      },
    };
  }),
];

export default cases;
