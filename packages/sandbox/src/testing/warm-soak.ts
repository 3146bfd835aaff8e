// Sandboxes created, used and destroyed in a row: what this process and the disk hold must not grow.
//
//   node packages/sandbox/src/testing/warm-soak.ts [IMAGE] [--rounds 1000] [--every 50]

import { readdirSync } from "node:fs";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { KelpieError, kelpieHome, realPlatform } from "@kelpie/platform";
import { Sandbox } from "../lifecycle/sandbox.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "1000" }, every: { type: "string", default: "50" } },
});
const [image = "latest"] = positionals;
const rounds = Number(values.rounds);
const home = kelpieHome(realPlatform.host);
const createMs: number[] = [];
const execMs: number[] = [];
const median = (numbers: readonly number[]): string =>
  (numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN).toFixed(0);

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
const isStopped = (): boolean => stop.signal.aborted;
for (let round = 1; round <= rounds && !isStopped(); round++) {
  const startMs = performance.now();
  await using sandbox = await Sandbox.create({
    image,
    memoryMiB: 256,
    start: "warm",
    bootTimeoutMs: 120_000,
  });
  createMs.push(performance.now() - startMs);
  const { end } = await sandbox.exec({ argv: ["true"] }).collect();
  execMs.push(performance.now() - startMs - (createMs.at(-1) ?? 0));
  if (end.kind !== "exited" || end.code !== 0) throw new KelpieError("internal", JSON.stringify(end));
  await sandbox[Symbol.asyncDispose]();
  if (round % Number(values.every) !== 0) continue;
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const count = (path: string): number => readdirSync(path).length;
  console.log(
    [
      `${round} rounds`,
      `rss ${Math.round(rss / (1 << 20))} MiB, heap ${Math.round(heapUsed / (1 << 20))} MiB`,
      `${count("/proc/self/fd")} descriptors`,
      `${count(`${home}/sandboxes`)} sandboxes, ${count(`${home}/templates`)} templates on the disk`,
      `create ${median(createMs)} ms, first exec ${median(execMs)} ms (medians)`,
      `load ${loadavg()[0]?.toFixed(1) ?? "?"}`,
    ].join("; "),
  );
}
