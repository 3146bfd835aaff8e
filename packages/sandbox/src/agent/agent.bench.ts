// How quick the agent is in an emulated or accelerated guest: calls, processes, files, and calls while files are copied; over
// virtio-serial, and over vsock where its daemon is compiled.

import type { BenchCase, PreparedBench } from "../../../../tools/bench/case.ts";
import type { AgentClient } from "./agent-client.ts";

const calls = 100;
const processes = 20;
const fileBytes = 32 << 20;
/** Less than half of the guest's memory: the other half of what a copy in a loop has. */
const loopBytes = 24 << 20;

type Carrier = "virtio-serial" | "vsock";

/** A case in a guest of its own. Nothing is loaded before it is chosen. */
function inGuest(
  name: string,
  carrier: Carrier,
  rest: Pick<BenchCase, "goal" | "runs">,
  prepare: (client: AgentClient) => Promise<Omit<PreparedBench, "cleanUp">>,
): BenchCase {
  return {
    name: carrier === "vsock" ? `${name} over vsock` : name,
    ...rest,
    async prepare() {
      const { realPlatform } = await import("@kelpie/platform");
      const { AgentClient } = await import("./agent-client.ts");
      const { bootAgentVm } = await import("../testing/agent-vm.ts");
      const { findTestImage } = await import("../testing/test-image.ts");
      const { findTestVsockDaemon } = await import("../testing/vsock-daemon.ts");
      const found = await findTestImage("amd64");
      if ("skip" in found) return found;
      const daemon = findTestVsockDaemon();
      if (carrier === "vsock" && "skip" in daemon) return daemon;
      const vsock = carrier === "vsock" && "program" in daemon ? { vsockDaemon: daemon.program } : {};
      const vm = await bootAgentVm(found.image, 2, vsock);
      // As a sandbox has it: what is large has a port of its own.
      const client = new AgentClient({
        ...realPlatform,
        open: (signal) => vm.open(0, signal),
        openBulk: (signal) => vm.open(1, signal),
      });
      const cleanUp = async (): Promise<void> => {
        await client[Symbol.asyncDispose]();
        await vm[Symbol.asyncDispose]();
      };
      return { ...(await prepare(client)), cleanUp };
    },
  };
}

async function* pieces(sizeBytes = fileBytes): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(1 << 20).fill(7);
  for (let at = 0; at < sizeBytes; at += piece.length) yield await Promise.resolve(piece);
}

const write = (client: AgentClient, sizeBytes?: number): Promise<unknown> =>
  client.files.write("/tmp/bench", pieces(sizeBytes));

async function read(client: AgentClient): Promise<void> {
  for await (const _ of client.files.read("/tmp/bench"));
}

/** Pings while a copy goes on in a loop: a run's time is the 95th percentile of its calls. */
async function pingsBeside(
  client: AgentClient,
  copy: () => Promise<unknown>,
): Promise<Omit<PreparedBench, "cleanUp">> {
  await write(client, loopBytes);
  let copied = 0;
  let copiedMs = 0;
  return {
    async run() {
      const over = new AbortController();
      const startMs = performance.now();
      const copying = (async () => {
        while (!over.signal.aborted) {
          await copy();
          copied += loopBytes;
        }
        copiedMs += performance.now() - startMs;
      })();
      const timesMs: number[] = [];
      for (let i = 0; i < calls; i++) timesMs.push(await client.ping());
      over.abort();
      await copying;
      return timesMs.toSorted((a, b) => a - b)[Math.ceil(calls * 0.95) - 1];
    },
    note: () =>
      `the 95th percentile of ${calls} calls, while ${Math.round(copied / 1048.576 / copiedMs)} MiB/s are copied`,
  };
}

const casesOver = (carrier: Carrier): readonly BenchCase[] => [
  inGuest("agent: ping", carrier, { goal: { medianMs: 3 }, runs: 10 }, (client) =>
    Promise.resolve({
      operations: calls,
      async run() {
        for (let i = 0; i < calls; i++) await client.ping();
      },
    }),
  ),
  inGuest("agent: exec true", carrier, { goal: { medianMs: 15 }, runs: 10 }, (client) =>
    Promise.resolve({
      operations: processes,
      async run() {
        for (let i = 0; i < processes; i++) await client.exec({ argv: ["/bin/true"] }).collect();
      },
    }),
  ),
  inGuest("agent: write a file", carrier, { runs: 7 }, (client) =>
    Promise.resolve({
      bytes: fileBytes,
      run: () => write(client),
      reset: () => client.files.remove("/tmp/bench", { missingOk: true }),
    }),
  ),
  inGuest("agent: read a file", carrier, { runs: 7 }, async (client) => {
    await write(client);
    return { bytes: fileBytes, run: () => read(client) };
  }),
  inGuest("agent: ping while a file is written", carrier, { goal: { medianMs: 25 }, runs: 10 }, (client) =>
    pingsBeside(client, () => write(client, loopBytes)),
  ),
  inGuest("agent: ping while a file is read", carrier, { goal: { medianMs: 25 }, runs: 10 }, (client) =>
    pingsBeside(client, () => read(client)),
  ),
];

const cases: readonly BenchCase[] = [...casesOver("virtio-serial"), ...casesOver("vsock")];

export default cases;
