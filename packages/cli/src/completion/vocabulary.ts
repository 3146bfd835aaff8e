// What can be typed after `kelpie`, as data for the shells' completions: made from the commands themselves.

import type { CommandEntry } from "../command.ts";
import { helpOption } from "../help.ts";

/** What completes the value of an option. */
export type ValueKind = "architecture" | "file" | "directory" | "other";

export interface OptionWords {
  /** `--arch`. */
  readonly long: string;
  /** `-i`. */
  readonly short: string | undefined;
  /** Undefined for an option that takes none. */
  readonly value: ValueKind | undefined;
  readonly help: string;
}

export interface CommandWords {
  /** "images list". */
  readonly path: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  /** Whether what follows the options is another program's command line. */
  readonly passThrough: boolean;
}

const valueKinds: Readonly<Record<string, ValueKind>> = {
  ARCH: "architecture",
  FILE: "file",
  SPEC: "file",
  DIR: "directory",
};

/** Loads every command and takes down its words. */
export async function vocabulary(entries: readonly CommandEntry[]): Promise<CommandWords[]> {
  return await Promise.all(
    entries.map(async (entry) => {
      const { options, passThrough = false } = await entry.load();
      return {
        path: entry.path.join(" "),
        summary: entry.summary,
        passThrough,
        options: Object.entries({ ...options, help: helpOption }).map(
          ([name, { type, short, value, help }]): OptionWords => ({
            long: `--${name}`,
            short: short === undefined ? undefined : `-${short}`,
            value: type === "boolean" ? undefined : kindOf(value),
            help,
          }),
        ),
      };
    }),
  );
}

/** The words that may follow "kelpie PREFIX": the next word of each command's path. */
export function nextWords(commands: readonly CommandWords[], prefix: string): string[] {
  const depth = prefix === "" ? 0 : prefix.split(" ").length;
  const below = commands.filter(({ path }) => prefix === "" || path.startsWith(`${prefix} `));
  return [...new Set(below.flatMap(({ path }) => path.split(" ").slice(depth, depth + 1)))];
}

/** The first words of commands of two: "images". */
export function groups(commands: readonly CommandWords[]): string[] {
  const first = commands.map(({ path }) => path.split(" ")).filter((words) => words.length > 1);
  return [...new Set(first.map(([word = ""]) => word))];
}

function kindOf(value: string | undefined): ValueKind {
  return (value === undefined ? undefined : valueKinds[value]) ?? "other";
}
