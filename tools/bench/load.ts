// Finds the *.bench.ts files of the checkout and their cases.

import { glob } from "node:fs/promises";
import { join } from "node:path";
import type { BenchCase } from "./case.ts";

/** A case and the file, relative to the checkout, that exports it. */
export interface LocatedCase {
  readonly file: string;
  readonly benchCase: BenchCase;
}

/** All cases, by file and in the order of each file. */
export async function findCases(checkout: string): Promise<LocatedCase[]> {
  const files = await Array.fromAsync(glob("packages/*/src/**/*.bench.ts", { cwd: checkout }));
  const cases: LocatedCase[] = [];
  for (const file of files.sort()) {
    for (const benchCase of await loadCases(checkout, file)) cases.push({ file, benchCase });
  }
  return cases;
}

/** The cases of one file. */
export async function loadCases(checkout: string, file: string): Promise<readonly BenchCase[]> {
  const module: unknown = await import(join(checkout, file));
  const cases =
    typeof module === "object" && module !== null && "default" in module ? module.default : undefined;
  if (!isCases(cases)) throw new Error(`${file}: the default export must be an array of benchmark cases`);
  return cases;
}

function isCases(value: unknown): value is readonly BenchCase[] {
  return (
    Array.isArray(value) &&
    value.every(
      (item: unknown) =>
        typeof item === "object" &&
        item !== null &&
        "name" in item &&
        typeof item.name === "string" &&
        "prepare" in item &&
        typeof item.prepare === "function",
    )
  );
}

/** The cases whose name or file has every one of the words. */
export function selectCases(cases: readonly LocatedCase[], words: readonly string[]): LocatedCase[] {
  return cases.filter(({ file, benchCase }) => {
    const text = `${benchCase.name} ${file}`.toLowerCase();
    return words.every((word) => text.includes(word.toLowerCase()));
  });
}
