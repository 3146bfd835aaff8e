// A check by a program: one test that passes when it exits with 0; its output is shown when it does not.

import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Outcome } from "./outcome.ts";

export const root = join(import.meta.dirname, "../..");

export interface CheckOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const shownCharacters = 8000;

export function runCheck(
  command: string,
  args: readonly string[],
  { cwd = root, env = process.env }: CheckOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code !== 0) {
        const said = Buffer.concat(output).toString().slice(-shownCharacters);
        console.log(`FAILED: ${command} ${args.join(" ")}\n${said}`);
      }
      resolve({ passed: Number(code === 0), failed: Number(code !== 0), skipped: 0 });
    });
  });
}
