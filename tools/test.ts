// npm test: every check and every test, part by part, with the time that each takes.
// Arguments name the parts to run: `npm test -- types unit`.

import { spawn } from "node:child_process";
import { glob, mkdir, rm, symlink } from "node:fs/promises";
import { cpus, homedir } from "node:os";
import { join, relative } from "node:path";
import { performance } from "node:perf_hooks";
import { run } from "node:test";
import { inspect } from "node:util";

const root = join(import.meta.dirname, "..");

interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

interface Part {
  readonly name: string;
  run(): Promise<Outcome>;
}

const nothing: Outcome = { passed: 0, failed: 0, skipped: 0 };

interface CheckOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A check by a program: one test that passes when it exits with 0; its output is shown when it does not. */
function runCheck(command: string, args: readonly string[], options: CheckOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { cwd = root, env = process.env } = options;
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code !== 0)
        console.log(`FAILED: ${command} ${args.join(" ")}\n${Buffer.concat(output).toString().slice(-8000)}`);
      resolve({ passed: Number(code === 0), failed: Number(code !== 0), skipped: 0 });
    });
  });
}

function check(name: string, command: string, ...args: readonly string[]): Part {
  return { name, run: () => runCheck(command, args) };
}

/** A file that hangs, with a server left open by a test that failed, must not hold up the others for ever. */
const fileTimeoutMs = 900_000;

interface TestOptions {
  /** Files at once. */
  readonly concurrency: number;
  readonly except?: RegExp;
  readonly env?: NodeJS.ProcessEnv;
}

/** Of the tests of a part, the files that take longest are named where they take as long as this. */
const slowFileMs = 500;
const slowFilesShown = 5;

/** The tests in files that match `pattern` and not `except`, each file in a process of its own. */
function tests(name: string, pattern: string, { concurrency, except, env = process.env }: TestOptions): Part {
  return {
    name,
    async run() {
      const files = await Array.fromAsync(glob(pattern, { cwd: root, exclude: ["node_modules", "target"] }));
      const chosen = files.filter((file) => except?.test(file) !== true).sort();
      const outcome = { ...nothing };
      const durations = new Map<string, number>();
      const stream = run({
        files: chosen.map((file) => join(root, file)),
        timeout: fileTimeoutMs,
        concurrency,
        cwd: root,
        env,
      });
      stream.on("test:pass", ({ name: test, skip, details }) => {
        if (details.type === "suite") return;
        if (skip === undefined || skip === false) {
          outcome.passed++;
          return;
        }
        outcome.skipped++;
        console.log(`  skipped: ${test}: ${skip === true ? "no reason given" : skip}`);
      });
      stream.on("test:fail", ({ name: test, file = "", line = 0, details: { error } }) => {
        if ("failureType" in error && error.failureType === "subtestsFailed") return;
        outcome.failed++;
        console.log(
          `  FAILED: ${test} (${relative(root, file)}:${line})\n${inspect(error.cause, { depth: 4 })}`,
        );
      });
      stream.on("test:summary", ({ file, duration_ms: durationMs }) => {
        if (file !== undefined) durations.set(relative(root, file), durationMs);
      });
      stream.on("test:stderr", ({ message }) => {
        if (message.trim() !== "") console.log(`  ${message.trimEnd()}`);
      });
      // Reading the stream to its end is what drives the run.
      for await (const _ of stream);
      sayWhichWereSlow(durations);
      return outcome;
    },
  };
}

function sayWhichWereSlow(durations: ReadonlyMap<string, number>): void {
  const slowest = [...durations]
    .filter(([, durationMs]) => durationMs >= slowFileMs)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, slowFilesShown);
  for (const [file, durationMs] of slowest) console.log(`  ${(durationMs / 1000).toFixed(1)} s in ${file}`);
}

/** KELPIE_HOME of the VM tests: images of its own; downloads and compiled programs, keyed by content, are the user's. */
const testHome = join(root, "target/test-home");

/** Builds the images that the VM tests boot. */
async function buildImages(): Promise<Outcome> {
  const cache = join(process.env["KELPIE_HOME"] ?? join(homedir(), ".kelpie"), "cache");
  await rm(testHome, { recursive: true, force: true });
  await mkdir(testHome, { recursive: true });
  await mkdir(cache, { recursive: true });
  await symlink(cache, join(testHome, "cache"));
  const args = ["images", "build", "--spec", "images/kelpie-debian.yaml", "--arch", "all"];
  return runCheck(join(root, "kelpie"), args, { env: { ...process.env, KELPIE_HOME: testHome } });
}

/** The checks of the API, which both sides' types are made from, and of the programs in the VM, with the Rust that is installed. */
async function guestChecks(): Promise<Outcome> {
  const cwd = join(root, "guest");
  const target = join(root, "target/guest");
  const env = { ...process.env, CARGO_TARGET_DIR: target };
  let total = await runCheck(join(root, "tools/check-api.sh"), []);
  for (const args of [
    ["fmt", "--all", "--check"],
    ["clippy", "--locked", "--all-targets", "--quiet", "--", "-D", "warnings", "-W", "clippy::pedantic"],
    ["test", "--locked", "--quiet"],
  ]) {
    total = sum(total, await runCheck("cargo", args, { cwd, env }));
  }
  const agent = { ...process.env, KELPIE_AGENT: join(target, "debug/kelpie-guest") };
  return sum(
    total,
    await tests("", "packages/**/*.agent.test.ts", { concurrency: cpus().length, env: agent }).run(),
  );
}

const bin = join(root, "node_modules/.bin");
/** An emulated machine keeps one processor busy, and the test beside it another: more at once, and guests answer late. */
const machinesAtOnce = Math.max(1, Math.floor(cpus().length / 2));
/** What needs a machine, or the agent's program. */
const notUnit = /\.(?:vm|agent)\.test\.ts$/;

const parts: readonly Part[] = [
  check("setup", process.execPath, join(root, "tools/test-setup.ts")),
  check("format", join(root, "tools/biome.sh"), "format", "."),
  check("types", join(bin, "tsc")),
  check("lint", join(bin, "eslint"), "."),
  tests("unit", "{packages,tools}/**/*.test.ts", { concurrency: cpus().length, except: notUnit }),
  { name: "guest", run: guestChecks },
  { name: "images", run: buildImages },
  tests("vm", "packages/**/*.vm.test.ts", {
    concurrency: machinesAtOnce,
    env: { ...process.env, KELPIE_HOME: testHome },
  }),
];

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.filter((name) => parts.every((part) => part.name !== name));
  if (unknown.length > 0) {
    console.error(
      `No such part: ${unknown.join(", ")}. There are: ${parts.map(({ name }) => name).join(", ")}.`,
    );
    process.exitCode = 2;
    return;
  }
  let total = nothing;
  for (const part of parts.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const start = performance.now();
    const outcome = await part.run();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${part.name.padEnd(10)} ${seconds.padStart(7)} s  ${describe(outcome)}`);
    total = sum(total, outcome);
  }
  console.log(describe(total));
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

function sum(a: Outcome, b: Outcome): Outcome {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

function describe({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

await main(process.argv.slice(2));
