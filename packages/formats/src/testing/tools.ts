// The programs and data that judge our output, where this machine has them.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For a test's `skip`: the reason if one of the programs is missing, false otherwise. */
export function unlessInstalled(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  return missing.length === 0 ? false : `${missing.join(", ")} not installed`;
}

/** A file of real Alpine data beside the repository, or undefined on a machine that has none. */
export function alpineFile(name: string): string | undefined {
  const path = join(import.meta.dirname, "../../../../../shared/data/alpine", name);
  return existsSync(path) ? path : undefined;
}

/** Runs a program with bytes on its standard input and returns what it prints. It must succeed. */
export function filter(program: string, args: readonly string[], input?: Uint8Array, cwd?: string): Buffer {
  return execFileSync(program, args, { input, cwd, maxBuffer: 2 ** 30, stdio: ["pipe", "pipe", "pipe"] });
}

/** A directory that goes at the end of the block. */
export function scratchDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "kelpie-formats-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
