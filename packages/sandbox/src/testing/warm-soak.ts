// Sandboxes created, used and destroyed in a row: what this process, the machine and the disk hold must not grow.
//
//   node --expose-gc packages/sandbox/src/testing/warm-soak.ts [IMAGE] [--rounds 1000] [--every 50]
//     [--share disk|9p|virtiofs] [--kept] [--snapshot ROUND]…
//
// Exits with 1 where something has grown between the first count and the last, or memory grows in the second half
// (memory-growth.ts). With --kept each one lives on, is opened again, stopped and removed, as the commands do it. --snapshot
// writes the heap after that round into the working directory. Linux only. Best in a KELPIE_HOME of its own: others'
// sandboxes would be counted.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeHeapSnapshot } from "node:v8";
import { kelpieHome, realPlatform } from "@kelpie/platform";
import { findSandbox, removeSandbox } from "../lifecycle/registry.ts";
import { Sandbox } from "../lifecycle/sandbox.ts";
import type { SandboxOptions } from "../lifecycle/sandbox-options.ts";
import { exitCodeOf } from "../run/exit-code.ts";
import { openShares } from "../workspace/open-shares.ts";
import { parseTransport } from "../workspace/share.ts";
import { judgeGrowth, type MemorySample, memorySample } from "./memory-growth.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "1000" },
    every: { type: "string", default: "50" },
    share: { type: "string" },
    kept: { type: "boolean", default: false },
    snapshot: { type: "string", multiple: true, default: [] },
  },
});
const [image = "latest"] = positionals;
const rounds = Number(values.rounds);
const platform = realPlatform;
const home = kelpieHome(platform.host);
const directory = mkdtempSync(join(tmpdir(), "kelpie-soak-"));
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
const { signal } = stop;
const createMs: number[] = [];
const execMs: number[] = [];

/** What must be the same in the end: none of it depends on how long this runs. */
function held(): Record<string, number> {
  const count = (path: string): number => readdirSync(path).length;
  const inHome = ["images", "sandboxes", "templates"].flatMap((name) =>
    readdirSync(join(home, name), { recursive: true, withFileTypes: true }),
  );
  const related = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isOurs(pid));
  return {
    descriptors: count("/proc/self/fd"),
    threads: count("/proc/self/task"),
    processes: related.length - 1,
    "files in KELPIE_HOME": inHome.length,
    "leases in it": inHome.filter(({ parentPath }) => parentPath.includes(".leases")).length,
    "sandboxes in it": count(join(home, "sandboxes")),
    "in /dev/shm": count("/dev/shm"),
    mounts: readFileSync("/proc/mounts", "utf8").split("\n").length,
  };
}

/** Whether a process is this one, a child of it, or names what is ours on its command line. */
function isOurs(pid: string): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const parent = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1];
    return (
      pid === String(process.pid) ||
      parent === String(process.pid) ||
      line.includes(`${home}/sandboxes`) ||
      line.includes(directory)
    );
  } catch {
    return false;
  }
}

async function round(number: number): Promise<void> {
  const startMs = performance.now();
  const share = { source: directory, target: "/workspace", readOnly: false };
  const attachments =
    values.share === undefined
      ? []
      : await openShares({
          platform,
          home,
          shares: [share],
          transport: parseTransport(values.share),
          signal,
        });
  const options: SandboxOptions = {
    ...{ platform, home, image, memoryMiB: 256, bootTimeoutMs: 120_000, attachments, signal },
    start: values.share === "virtiofs" ? "cold" : "warm",
    ...(values.kept ? { keep: {} } : {}),
  };
  await using created = await Sandbox.create(options);
  createMs.push(performance.now() - startMs);
  const { id } = created;
  if (values.kept) await created[Symbol.asyncDispose]();
  await using sandbox = values.kept ? await Sandbox.open(id, { platform, home }) : created;
  const script =
    values.share === undefined ? "true" : `cd /workspace && cat from-host && echo ${number} >from-guest`;
  const beforeMs = performance.now();
  const { end, stdout, stderr } = await sandbox.exec({ argv: ["sh", "-c", script] }).collect();
  execMs.push(performance.now() - beforeMs);
  assert.equal(exitCodeOf(end), 0, Buffer.from(stderr).toString());
  if (values.share !== undefined) {
    assert.equal(Buffer.from(stdout).toString(), `${number}\n`);
    assert.deepEqual(await sandbox.finish(), []);
    assert.equal(readFileSync(join(directory, "from-guest"), "utf8"), `${number}\n`);
  }
  if (!values.kept) return;
  await sandbox.shutdown();
  await removeSandbox(platform, await findSandbox(platform, home, id));
}

const median = (numbers: readonly number[]): string =>
  (numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN).toFixed(0);

const samples: MemorySample[] = [];
let first: Record<string, number> | undefined;
let last: Record<string, number> = {};
try {
  for (let number = 1; number <= rounds && !signal.aborted; number++) {
    writeFileSync(join(directory, "from-host"), `${number}\n`);
    await round(number);
    if (number % Number(values.every) !== 0) continue;
    if (values.snapshot.includes(String(number))) writeHeapSnapshot(`soak-${number}.heapsnapshot`);
    globalThis.gc?.();
    const sample = memorySample(number);
    samples.push(sample);
    last = held();
    first ??= last;
    console.log(
      [
        `${number} rounds`,
        Object.entries(sample.bytes)
          .map(([what, bytes]) => `${what} ${(bytes / (1 << 20)).toFixed(1)}`)
          .join(", ")
          .concat(" MiB"),
        Object.entries(last)
          .map(([what, count]) => `${what} ${count}`)
          .join(", "),
        `create ${median(createMs)} ms, exec ${median(execMs)} ms (medians)`,
        `load ${loadavg()[0]?.toFixed(1) ?? "?"}`,
      ].join("; "),
    );
  }
} finally {
  rmSync(directory, { recursive: true });
}
/** Leases that have ended go a few at a time as new ones are written: some are there at any moment. */
const mayVary = (what: string): number => (/leases|files/.test(what) ? 8 : 0);
const grown = Object.entries(last).filter(
  ([what, count]) => count > (first?.[what] ?? count) + mayVary(what),
);
const verdict = judgeGrowth(samples);
console.log(verdict.text);
console.log(
  grown.length === 0 ? "nothing else has grown" : `grown: ${grown.map(([what]) => what).join(", ")}`,
);
process.exitCode = grown.length === 0 && verdict.isLevel ? 0 : 1;
