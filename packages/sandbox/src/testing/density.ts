// Many restored sandboxes alive at once: how fast they come, what they take, whether each is itself, how fast they go.
// Exits with 1 where one does not answer, is like another, takes too much memory, or leaves something behind.
//
//   node packages/sandbox/src/testing/density.ts [IMAGE] [--count 100] [--memory 256] [--at-once 4] [--idle SECONDS]
//
// IMAGE is one of the store (default: latest), and its template is made first where there is none. Linux only: memory is
// the PSS of /proc/PID/smaps_rollup, which parts what several processes share among them.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { loadavg } from "node:os";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { kelpieHome, realPlatform } from "@kelpie/platform";
import { Sandbox } from "../lifecycle/sandbox.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "100" },
    memory: { type: "string", default: "256" },
    "at-once": { type: "string", default: "4" },
    idle: { type: "string", default: "10" },
  },
});
const [image = "latest"] = positionals;
const count = Number(values.count);
const options = { image, memoryMiB: Number(values.memory), start: "warm", bootTimeoutMs: 120_000 } as const;
const home = kelpieHome(realPlatform.host);
const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
const ticksPerSecond = 100;

/** The QEMU processes of these sandboxes, by the directory that each runs in. */
function monitors(ids: ReadonlySet<string>): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const directory = readlinkSync(`/proc/${pid}/cwd`);
        const isQemu = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("qemu-system");
        return isQemu && dirname(directory) === `${home}/sandboxes` && ids.has(basename(directory));
      } catch {
        return false;
      }
    });
}

function pssBytes(pid: number): number {
  return (
    1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? Number.NaN)
  );
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Runs `work` for each of 0…count-1, so many at once. */
async function eachOf(total: number, atOnce: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < total; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const mebibytes = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);

console.log(`load before: ${load()}`);
{
  await using first = await Sandbox.create(options);
  console.log(`template: ${first.start?.kind === "warm" ? (first.start.made ?? "was there") : "none"}`);
}
const sandboxes: Sandbox[] = [];
const atOnce = Number(values["at-once"]);
const createMs: number[] = [];
const startMs = performance.now();
await eachOf(count, atOnce, async () => {
  const since = performance.now();
  sandboxes.push(await Sandbox.create(options));
  createMs.push(performance.now() - since);
});
const creationS = (performance.now() - startMs) / 1000;
console.log(
  `${count} created in ${creationS.toFixed(1)} s, ${(count / creationS).toFixed(1)} a second, each in ${median(createMs).toFixed(0)} ms (median)`,
);

const pids = monitors(new Set(sandboxes.map(({ id }) => id)));
/** Prints what each takes; the most that one takes, in MiB. */
function printMemory(when: string): number {
  const pss = pids.map(pssBytes);
  const total = mebibytes(pss.reduce((sum, one) => sum + one, 0));
  console.log(
    `PSS of ${pids.length} QEMU ${when}: ${mebibytes(median(pss))} MiB (median), ${mebibytes(Math.max(...pss))} at most, ${total} in all`,
  );
  return Math.max(...pss) / (1 << 20);
}
const trueStartMs = performance.now();
await eachOf(count, atOnce, async (index) => {
  await sandboxes[index]?.exec({ argv: ["true"] }).collect();
});
console.log(`all ran a command in ${((performance.now() - trueStartMs) / 1000).toFixed(1)} s`);
const largestMiB = printMemory("after one command each");

const script =
  "cat /etc/machine-id; uname -n; for i in 1 2; do head -c 16 /dev/urandom | od -An -tx1; done; cat /proc/sys/kernel/random/uuid; date +%s%3N";
const answers: string[][] = [];
const answerMs: number[] = [];
const answerStartMs = performance.now();
await eachOf(count, atOnce, async (index) => {
  const sandbox = sandboxes[index];
  if (sandbox === undefined) return;
  const beforeMs = Date.now();
  const { stdout } = await sandbox.exec({ argv: ["sh", "-c", script] }).collect();
  const lines = Buffer.from(stdout).toString().trim().split("\n");
  const guestMs = Number(lines.pop());
  const afterMs = Date.now();
  answerMs.push(afterMs - beforeMs);
  answers.push([...lines, String(Math.max(0, beforeMs - guestMs, guestMs - afterMs))]);
});
console.log(
  `${answers.length} said who they are in ${((performance.now() - answerStartMs) / 1000).toFixed(1)} s`,
);
for (const [index, what] of [
  "machine id",
  "host name",
  "randomness",
  "randomness of another process",
  "uuid",
].entries()) {
  console.log(`${new Set(answers.map((lines) => lines[index])).size} different values of: ${what}`);
}
const outside = answers.map((lines) => Number(lines.at(-1)));
// A clock that is read between a question and its answer can only be shown to be wrong, not to be right.
console.log(
  `clocks: ${outside.filter((ms) => ms === 0).length} read a time between question and answer, which took ${median(answerMs).toFixed(0)} ms (median); the furthest off ${Math.max(...outside).toFixed(0)} ms`,
);

printMemory("after eleven commands each");
const idleS = Number(values.idle);
const before = pids.map(cpuSeconds);
await sleep(idleS * 1000);
const idle = pids.map((pid, index) => (100 * (cpuSeconds(pid) - (before[index] ?? 0))) / idleS);
console.log(
  `idle for ${idleS} s: ${(idle.reduce((sum, one) => sum + one, 0) / idle.length).toFixed(2)} % of a core each, ${Math.max(...idle).toFixed(1)} % at most`,
);

const stopMs = performance.now();
await Promise.all(sandboxes.map((sandbox) => sandbox[Symbol.asyncDispose]()));
const stopS = (performance.now() - stopMs) / 1000;
console.log(`all gone in ${stopS.toFixed(1)} s`);
const left = readdirSync(`${home}/sandboxes`).filter((name) => sandboxes.some(({ id }) => id === name));
const lost = monitors(new Set(sandboxes.map(({ id }) => id))).length;
console.log(`left: ${lost} processes, ${left.length} directories; load after: ${load()}`);

/** What must hold however busy the machine is; times are for a reader who knows what else ran. */
const unlike =
  answers.length === count &&
  [0, 1, 2, 3, 4].every((at) => new Set(answers.map((lines) => lines[at])).size === count);
const holds = {
  "all were found": pids.length === count,
  "all answered, and are themselves": unlike,
  "at most 60 MiB each after a command": largestMiB <= 60,
  "nothing left": lost + left.length === 0,
};
for (const [what, isSo] of Object.entries(holds)) console.log(`${isSo ? "holds" : "FAILS"}: ${what}`);
process.exitCode = Object.values(holds).every(Boolean) ? 0 : 1;
