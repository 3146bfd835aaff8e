// npm test: every check and every test, part by part, with the time that each takes.
// Arguments name the parts to run: `npm test -- types unit`.

import { spawn } from "node:child_process";
import { glob } from "node:fs/promises";
import { cpus } from "node:os";
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

/** A check by a program: one test that passes when it exits with 0; its output is shown when it does not. */
function check(name: string, command: string, ...args: readonly string[]): Part {
  return {
    name,
    run: () =>
      new Promise((resolve, reject) => {
        const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
        const output: Buffer[] = [];
        child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
        child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
        child.once("error", reject);
        child.once("close", (code) => {
          if (code !== 0) console.log(Buffer.concat(output).toString());
          resolve({ passed: Number(code === 0), failed: Number(code !== 0), skipped: 0 });
        });
      }),
  };
}

/** The tests in files that match `pattern` and not `except`, each file in a process of its own. */
function tests(name: string, pattern: string, concurrency: number, except?: RegExp): Part {
  return {
    name,
    async run() {
      const files = await Array.fromAsync(glob(pattern, { cwd: root, exclude: ["node_modules", "target"] }));
      const chosen = files.filter((file) => except?.test(file) !== true).sort();
      const outcome: Outcome = { passed: 0, failed: 0, skipped: 0 };
      if (chosen.length === 0) return outcome;
      const stream = run({ files: chosen.map((file) => join(root, file)), concurrency, cwd: root });
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
      stream.on("test:stderr", ({ message }) => {
        if (message.trim() !== "") console.log(`  ${message.trimEnd()}`);
      });
      // Reading the stream to its end is what drives the run.
      for await (const _ of stream);
      return outcome;
    },
  };
}

const bin = join(root, "node_modules/.bin");
const vmTests = /\.vm\.test\.ts$/;

const parts: readonly Part[] = [
  check("format", join(root, "tools/biome.sh"), "format", "."),
  check("types", join(bin, "tsc")),
  check("lint", join(bin, "eslint"), "."),
  tests("unit", "{packages,tools}/**/*.test.ts", cpus().length, vmTests),
  tests("vm", "packages/**/*.vm.test.ts", 1),
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
  const total: Outcome = { passed: 0, failed: 0, skipped: 0 };
  for (const part of parts.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const start = performance.now();
    const outcome = await part.run();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${part.name.padEnd(10)} ${seconds.padStart(7)} s  ${describe(outcome)}`);
    total.passed += outcome.passed;
    total.failed += outcome.failed;
    total.skipped += outcome.skipped;
  }
  console.log(describe(total));
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

function describe({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

await main(process.argv.slice(2));
