// The checks of the API, which both sides' types are made from, and of the programs in the VM, with the Rust that is installed.

import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { acquireFileLock, kelpieHome, realPlatform } from "../../packages/platform/src/index.ts";
import { root, runCheck } from "./check.ts";
import { type Outcome, sum } from "./outcome.ts";
import { runTestFiles } from "./test-files.ts";

const cargoSteps = [
  ["fmt", "--all", "--check"],
  ["clippy", "--locked", "--all-targets", "--quiet", "--", "-D", "warnings", "-W", "clippy::pedantic"],
  ["test", "--locked", "--quiet"],
] as const;

/** `concurrency` is of cargo's compilers and of test files. */
export async function checkGuest(concurrency: number): Promise<Outcome> {
  const api = await runCheck(join(root, "tools/check-api.sh"), []);
  const agent = join(root, "target/kelpie-guest");
  const programs = await checkPrograms(concurrency, agent);
  const env = { ...process.env, KELPIE_AGENT: agent };
  return sum(sum(api, programs), await runTestFiles("packages/**/*.agent.test.ts", { concurrency, env }));
}

/**
 * What cargo compiles is kept in KELPIE_HOME's cache, for every checkout: the programs' libraries take most of the time. The
 * agent is copied out to `agent` before another checkout compiles its own in that place.
 */
async function checkPrograms(concurrency: number, agent: string): Promise<Outcome> {
  const directory = join(kelpieHome(realPlatform.host), "cache/guest-checks");
  await mkdir(directory, { recursive: true });
  await mkdir(join(root, "target"), { recursive: true });
  await using _lock = await acquireFileLock(realPlatform, join(directory, ".lock"), {
    purpose: "checking the guest's programs",
    timeoutMs: 1_800_000,
  });
  const env = {
    ...process.env,
    CARGO_TARGET_DIR: join(directory, "target"),
    CARGO_BUILD_JOBS: String(concurrency),
    // Nobody debugs them: a third of the time and most of the space.
    CARGO_PROFILE_DEV_DEBUG: "0",
    CARGO_INCREMENTAL: "0",
  };
  let total: Outcome = { passed: 0, failed: 0, skipped: 0 };
  for (const args of cargoSteps)
    total = sum(total, await runCheck("cargo", args, { cwd: join(root, "guest"), env }));
  if (total.failed === 0) await copyFile(join(directory, "target/debug/kelpie-guest"), agent);
  return total;
}
