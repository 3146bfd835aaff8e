// The tests that boot guests, and the images that they boot.

import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { kelpieHome, realPlatform } from "../../packages/platform/src/index.ts";
import { root, runCheck } from "./check.ts";
import type { Outcome } from "./outcome.ts";
import { runTestFiles } from "./test-files.ts";

/** KELPIE_HOME of these tests: images of its own; downloads and compiled programs, keyed by content, are the user's. */
const testHome = join(root, "target/test-home");
const env = { ...process.env, KELPIE_HOME: testHome };

export async function buildImages(): Promise<Outcome> {
  const cache = join(kelpieHome(realPlatform.host), "cache");
  await rm(testHome, { recursive: true, force: true });
  await mkdir(testHome, { recursive: true });
  await mkdir(cache, { recursive: true });
  await symlink(cache, join(testHome, "cache"));
  const args = ["images", "build", "--spec", "images/kelpie-debian.yaml", "--arch", "all"];
  return runCheck(join(root, "kelpie"), args, { env });
}

export function testMachines(concurrency: number): Promise<Outcome> {
  return runTestFiles("packages/**/*.vm.test.ts", { concurrency, env });
}
