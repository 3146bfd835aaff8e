// libkrun as played-libkrun.c plays it: compiled for a test, told what to do, asked for its calls.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realPlatform } from "@kelpie/platform";

const source = join(import.meta.dirname, "played-libkrun.c");
const compiler = await realPlatform.processes.find("gcc");

/** Why tests that need it are skipped, if they are. */
export const skipWithoutCompiler = compiler === undefined ? "gcc is not installed" : false;

/** A call as the library saw it. */
export interface SeenCall {
  readonly name: string;
  readonly args: readonly (number | string | null)[];
}

/** What it does once the machine starts; a call's name with an errno has that call fail. */
export type Play = Readonly<Record<string, number | string>>;

/** A compiled library. */
export interface PlayedLibkrun {
  readonly path: string;
  /** From now on. */
  play(what: Play): void;
  /** So far, over all processes that loaded it. */
  calls(): readonly SeenCall[];
}

const compiled = new Map<string, Buffer>();

/** Puts it into `directory`, compiled with symbols of the preprocessor defined. */
export function compilePlayedLibkrun(directory: string, ...defined: readonly string[]): PlayedLibkrun {
  const path = join(directory, "libkrun.so.1");
  const symbols = defined.map((name) => `-D${name}`);
  const known = compiled.get(symbols.join());
  if (known === undefined) {
    const options = ["-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-pthread"];
    execFileSync("gcc", [...options, ...symbols, "-o", path, source]);
    compiled.set(symbols.join(), readFileSync(path));
  } else {
    writeFileSync(path, known);
  }
  return {
    path,
    play(what) {
      const lines = Object.entries(what).map(([word, value]) => `${word} ${value}\n`);
      writeFileSync(`${path}.play`, lines.join(""));
    },
    calls() {
      const file = `${path}.calls`;
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as SeenCall);
    },
  };
}
