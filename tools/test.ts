// npm test: every check and every test, part by part, with the time that each takes.
// Arguments name the parts to run: `npm test -- types unit`.

import { cpus } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { root, runCheck } from "./test/check.ts";
import { checkGuest } from "./test/guest.ts";
import { buildImages, testMachines } from "./test/machines.ts";
import { describe, nothing, type Outcome, sum } from "./test/outcome.ts";
import { runTestFiles } from "./test/test-files.ts";

interface Part {
  readonly name: string;
  /** `atOnce` is how many processors are its own. */
  readonly run: (atOnce: number) => Promise<Outcome>;
}

function check(name: string, command: string, ...args: readonly string[]): Part {
  return { name, run: () => runCheck(command, args) };
}

const bin = join(root, "node_modules/.bin");
/** What needs a machine, or the agent's program. */
const notUnit = /\.(?:vm|agent)\.test\.ts$/;

const setup = check("setup", process.execPath, join(root, "tools/test/setup.ts"));

/** Machines leave much of a second processor idle, so checks go on beside them; the parts of each follow each other. */
const machines: readonly Part[] = [
  { name: "images", run: buildImages },
  { name: "vm", run: testMachines },
];
const checks: readonly Part[] = [
  check("format", join(root, "tools/biome.sh"), "format", "."),
  check("types", join(bin, "tsc")),
  check("lint", join(bin, "eslint"), "."),
  { name: "guest", run: checkGuest },
  {
    name: "unit",
    run: (atOnce) => runTestFiles("{packages,tools}/**/*.test.ts", { concurrency: atOnce, except: notUnit }),
  },
];

/** An emulated machine keeps one processor busy, and the test beside it another: more at once, and guests answer late. */
const half = Math.max(1, Math.floor(cpus().length / 2));

async function runPart({ name, run }: Part, atOnce: number): Promise<Outcome> {
  const start = performance.now();
  const outcome = await run(atOnce);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name.padEnd(10)} ${seconds.padStart(7)} s  ${describe(outcome)}`);
  return outcome;
}

async function runParts(parts: readonly Part[], atOnce: number): Promise<Outcome> {
  let total = nothing;
  for (const part of parts) total = sum(total, await runPart(part, atOnce));
  return total;
}

async function main(wanted: readonly string[]): Promise<void> {
  const names = [setup, ...checks, ...machines].map(({ name }) => name);
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`No such part: ${unknown.join(", ")}. There are: ${names.join(", ")}.`);
    process.exitCode = 2;
    return;
  }
  const chosen = (parts: readonly Part[]): Part[] =>
    parts.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const beside = chosen(machines);
  const prepared = await runParts(chosen([setup]), half);
  const outcomes = await Promise.all([
    runParts(chosen(checks), beside.length > 0 ? half : cpus().length),
    runParts(beside, half),
  ]);
  const total = outcomes.reduce(sum, prepared);
  console.log(describe(total));
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

await main(process.argv.slice(2));
