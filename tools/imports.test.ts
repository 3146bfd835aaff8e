// How files may depend on each other, beside the packages' order, which the linter holds.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import ts from "typescript";

const root = join(import.meta.dirname, "..");
const files = globSync("{packages,tools,examples}/**/*.ts", { cwd: root, exclude: ["**/node_modules"] });

interface Import {
  readonly file: string;
  /** By `import()`: when the code gets there, not before the file runs. */
  readonly isDeferred: boolean;
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const own = ts.preProcessFile(text).importedFiles.filter(({ fileName }) => fileName.startsWith("."));
  return own.map(({ fileName, pos }) => ({
    file: normalize(join(dirname(file), fileName)),
    isDeferred: text.slice(0, pos).trimEnd().endsWith("import("),
  }));
}

test("no file imports itself by a detour, not even for a type", () => {
  const done = new Set<string>();
  const follow = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), [...path.slice(path.indexOf(file)), file].join("\n  imports "));
    if (done.has(file)) return;
    for (const imported of imports.get(file) ?? []) {
      if (!imported.isDeferred) follow(imported.file, [...path, file]);
    }
    done.add(file);
  };
  for (const file of files) follow(file, []);
  assert.ok(done.size > 500);
});

test("every file that is not a test, a tool or an entry is imported by another", () => {
  const imported = new Set([...imports.values()].flat().map(({ file }) => file));
  const isRunByName =
    /\.(?:test|bench|fuzz)\.ts$|\/index\.ts$|(?:^|[/-])main\.ts$|^tools\/|^examples\/|\/testing\//;
  const alone = files.filter((file) => !imported.has(file) && !isRunByName.test(file));
  assert.deepEqual(alone, []);
});
