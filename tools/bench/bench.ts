// npm run bench: measures what the cases of *.bench.ts files name, one after the other. Slowness never fails it.
// Words select cases; --runs N, --json and --list are its options.

import { fork } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { BenchResult } from "./case.ts";
import { findCases, type LocatedCase, selectCases } from "./load.ts";
import { describeResult } from "./report.ts";

const checkout = join(import.meta.dirname, "../..");
const caseTimeoutMs = 15 * 60 * 1000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, list: { type: "boolean" }, runs: { type: "string" } },
});

function measure({ file, benchCase: { name } }: LocatedCase): Promise<BenchResult> {
  const { promise, resolve } = Promise.withResolvers<BenchResult>();
  const child = fork(
    join(import.meta.dirname, "run-case.ts"),
    [file, name, ...(values.runs === undefined ? [] : [values.runs])],
    // A case's own output would stand in the middle of ours.
    { stdio: ["ignore", "ignore", "inherit", "ipc"], timeout: caseTimeoutMs, killSignal: "SIGKILL" },
  );
  child.once("message", (result) => resolve(result as BenchResult));
  child.once("error", (error) => resolve({ status: "failed", name, reason: error.message }));
  child.once("exit", (code, signal) => {
    resolve({ status: "failed", name, reason: `its process ended with ${signal ?? String(code)}` });
  });
  return promise;
}

async function main(): Promise<number> {
  const runs = Number(values.runs ?? 1);
  if (!Number.isInteger(runs) || runs < 1) {
    console.error("--runs takes a whole number from 1");
    return 2;
  }
  const cases = selectCases(await findCases(checkout), positionals);
  if (cases.length === 0) {
    console.error("No case has these words in its name; --list shows them all.");
    return 2;
  }
  if (values.list === true) {
    for (const { file, benchCase } of cases) console.log(`${benchCase.name}  (${file})`);
    return 0;
  }
  const results: BenchResult[] = [];
  for (const located of cases) {
    const result = await measure(located);
    results.push(result);
    if (values.json !== true) console.log(describeResult(result));
  }
  if (values.json === true) console.log(JSON.stringify(results, null, 2));
  return results.some(({ status }) => status === "failed") ? 1 : 0;
}

process.exitCode = await main();
