// A port of a guest with two processors that is left and opened again and again, on a machine kept busy:
// `node reopen-soak.ts ROUNDS [ARCHITECTURE] [BUSY] [ping|flood]`. `flood` leaves it in the middle of output. Prints slow rounds, and the times.

import { spawn } from "node:child_process";
import { realPlatform } from "@kelpie/platform";
import { AgentClient } from "../agent/agent-client.ts";
import { bootAgentVm } from "./agent-vm.ts";
import { requireTestImage } from "./test-image.ts";

const slowMs = 1000;

const [rounds = "1000", architecture = "amd64", busy = "2", way = "ping"] = process.argv.slice(2);
const image = await requireTestImage(architecture);
await using vm = await bootAgentVm(image, 4, { cpus: 2 });
const hogs = Array.from({ length: Number(busy) }, () => spawn("sh", ["-c", "while :; do :; done"]));
const timesMs: number[] = [];
try {
  for (let round = 0; round < Number(rounds); round++) {
    const startMs = performance.now();
    await using client = new AgentClient({ ...realPlatform, open: (signal) => vm.open(1, signal) });
    await client.ping({ timeoutMs: 40_000 });
    const tookMs = performance.now() - startMs;
    timesMs.push(tookMs);
    if (tookMs > slowMs) console.log(`round ${round}: ${Math.round(tookMs)} ms`);
    if (way === "flood") {
      const flood = client.exec({ argv: ["cat", "/dev/zero"] })[Symbol.asyncIterator]();
      await flood.next();
    }
  }
} finally {
  for (const hog of hogs) hog.kill("SIGKILL");
}
timesMs.sort((a, b) => a - b);
const at = (part: number): number => Math.round(timesMs[Math.trunc(part * (timesMs.length - 1))] ?? 0);
console.log(`${timesMs.length} rounds: median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`);
