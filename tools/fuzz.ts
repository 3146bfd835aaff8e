// npm run fuzz: runs the fuzz targets of *.fuzz.test.ts, and those of the guest's agent, for longer than npm test does, one
// file after the other.
// --seconds N for each target (default 10), --only NAME, --list, --replay FILE with --only: one saved input again.

import { spawn } from "node:child_process";
import { glob, mkdir, readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import type { FuzzRun } from "../packages/formats/src/testing/fuzz-record.ts";

const root = join(import.meta.dirname, "..");
const output = join(root, "target/fuzz");
const runsFile = join(output, "runs.jsonl");
const defaultSeconds = 10;
/** The agent's targets, which cargo runs. */
const agentTargets = "guest/agent/tests/fuzz.rs";

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    only: { type: "string" },
    replay: { type: "string" },
    list: { type: "boolean" },
  },
});

interface Target {
  readonly file: string;
  readonly name: string;
}

/** Names are told by the targets themselves, in a run of no time. */
async function findTargets(): Promise<Target[]> {
  const files = await Array.fromAsync(glob("packages/*/src/**/*.fuzz.test.ts", { cwd: root }));
  const targets: Target[] = [];
  for (const file of [...files.sort(), agentTargets]) {
    const failure = await runFile(file, { KELPIE_FUZZ_LIST: "1" });
    if (failure !== undefined) console.error(`${file} has no targets here: ${failure.slice(-300)}`);
    for (const { name } of await readRuns()) targets.push({ file, name });
  }
  return targets;
}

/** Runs a file's tests. Its output, where it failed. */
async function runFile(
  file: string,
  environment: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  await mkdir(output, { recursive: true });
  await rm(runsFile, { force: true });
  const env = { ...process.env, KELPIE_FUZZ_OUTPUT: output, ...environment };
  const [program, args] = commandOf(file);
  const child = spawn(program, args, { env, cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      said += error.message;
      resolve(null);
    });
    child.once("close", resolve);
  });
  return code === 0 ? undefined : said;
}

function commandOf(file: string): readonly [string, readonly string[]] {
  if (file !== agentTargets) return [process.execPath, ["--test", "--test-reporter=spec", join(root, file)]];
  const where = [
    "--manifest-path",
    join(root, "guest/Cargo.toml"),
    "--target-dir",
    join(root, "target/guest"),
  ];
  // One target at a time, each with its whole time.
  const oneByOne = ["--", "--test-threads=1"];
  return ["cargo", ["test", "--locked", "--quiet", ...where, "--test", "fuzz", ...oneByOne]];
}

async function readRuns(): Promise<FuzzRun[]> {
  const text = await readFile(runsFile, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as FuzzRun);
}

function describe({ name, executions, seconds, accepted, refused }: FuzzRun): string {
  const rate = Math.round(executions / seconds);
  return `${name.padEnd(30)} ${String(executions).padStart(8)} inputs, ${String(rate).padStart(6)}/s, ${accepted} taken, ${refused} refused`;
}

/** What was found: the message of the target, which names the saved input, and how to see it again. */
function describeFailure(said: string): string {
  const found = /The parser of "(.*)" (?:fails on|takes).*bytes: (\S+\.bin)?/.exec(said);
  const [, name = "", saved] = found ?? [];
  const again =
    saved === undefined
      ? ""
      : `\nagain: npm run fuzz -- --only "${name}" --replay ${relative(process.cwd(), saved)}`;
  return `${said.slice(-6000)}${again}`;
}

async function main(): Promise<number> {
  const seconds = Number(values.seconds ?? defaultSeconds);
  if (!(seconds > 0)) {
    console.error("--seconds takes a number above 0");
    return 2;
  }
  const all = await findTargets();
  const chosen = all.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) {
    console.error(`There is no such target. There are: ${all.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  if (values.list === true) {
    for (const { name, file } of chosen) console.log(`${name.padEnd(30)} ${file}`);
    return 0;
  }
  let failures = 0;
  for (const file of new Set(chosen.map((target) => target.file))) {
    const failure = await runFile(file, {
      KELPIE_FUZZ_SECONDS: String(seconds),
      ...(values.only === undefined ? {} : { KELPIE_FUZZ_ONLY: values.only }),
      ...(values.replay === undefined ? {} : { KELPIE_FUZZ_REPLAY: join(process.cwd(), values.replay) }),
    });
    for (const run of await readRuns()) console.log(describe(run));
    if (failure === undefined) continue;
    failures += 1;
    console.log(`FAILED: ${file}\n${describeFailure(failure)}`);
  }
  if (values.replay !== undefined && failures === 0) console.log("The saved input does no harm any more.");
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
