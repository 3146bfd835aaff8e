// How the sources become a bundle: what esbuild is told of them.

import { readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, resolve } from "node:path";
import type { Plugin } from "esbuild";

/** The checkout. */
export const root = resolve(import.meta.dirname, "../..");

const namedImport = /^import (?<type>type )?\{(?<names>[^}]*)\} from "@kelpie\/(?<package>[a-z]+)";/gm;
const namedExport = /^export (?<type>type )?\{(?<names>[^}]*)\} from "(?<path>[^"]+)";/gm;

/** Where each name of a package's index comes from. Names that are exported in other ways are missing. */
async function exportsOf(name: string): Promise<ReadonlyMap<string, string>> {
  const source = join(root, "packages", name, "src");
  const found = new Map<string, string>();
  for (const { groups = {} } of (await readFile(join(source, "index.ts"), "utf8")).matchAll(namedExport)) {
    const { names = "", path = "" } = groups;
    for (const each of listed(names)) if (!each.includes(" as ")) found.set(each, join(source, path));
  }
  return found;
}

function listed(names: string): string[] {
  return names
    .split(",")
    .map((name) => name.trim().replace(/^type /, ""))
    .filter((name) => name !== "");
}

const indexes = new Map<string, Promise<ReadonlyMap<string, string>>>();

/**
 * Imports of a package's index as imports of the files behind it. esbuild parts files, not names, into bundles: through an
 * index, each command would load what any command needs. What is not understood stays as it is, and is right, only slower.
 */
async function pastIndexes(source: string): Promise<string> {
  const known = new Map<string, ReadonlyMap<string, string>>();
  for (const { groups = {} } of source.matchAll(namedImport)) {
    const { package: name = "" } = groups;
    const index = indexes.get(name) ?? exportsOf(name);
    indexes.set(name, index);
    known.set(name, await index);
  }
  return source.replaceAll(
    namedImport,
    (statement, type: string | undefined, names: string, name: string) => {
      if (type !== undefined) return "";
      const places = listed(names).map(
        (each) => [each, known.get(name)?.get(each.replace(/ as .*/, ""))] as const,
      );
      if (places.some(([, place]) => place === undefined)) return statement;
      return places.map(([each, place]) => `import { ${each} } from ${JSON.stringify(place)};`).join(" ");
    },
  );
}

/** The sources as they are, but for what only works where they stand. */
export const sources: Plugin = {
  name: "sources",
  setup(bundler) {
    bundler.onLoad({ filter: /\/packages\/[^/]+\/src\/.*\.ts$/ }, async ({ path }) => {
      const contents = (await pastIndexes(await readFile(path, "utf8")))
        // A module asks where it stands in the sources, not in the bundle.
        .replaceAll("import.meta.filename", JSON.stringify(path))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)))
        // The one object that zod exports holds its messages in fifty languages.
        .replace('import { z } from "zod"', 'import * as z from "zod"');
      return { contents, loader: "ts" };
    });
  },
};

/**
 * Node.js's own modules, taken without a wrapper: an `import` reads all that a module exports, and so loads what stands
 * behind getters, such as all of `fetch` behind node:http.
 */
export const builtins: Plugin = {
  name: "builtins",
  setup(bundler) {
    bundler.onResolve({ filter: /^(node:)?[a-z0-9_]+(\/[a-z]+)?$/ }, ({ path }) =>
      isBuiltin(path) ? { path: path.replace(/^node:/, ""), namespace: "builtin" } : undefined,
    );
    bundler.onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)});`,
      loader: "js",
    }));
  },
};

const commandList = join(root, "packages/cli/src/commands/index.ts");

/** Leaves out all commands but one: they stay where they are in the sources. */
export function onlyCommand(file: string): Plugin {
  return {
    name: "only-command",
    setup(bundler) {
      bundler.onResolve({ filter: /^\.\// }, ({ path, importer, resolveDir }) =>
        importer === commandList && path !== file
          ? { path: join(resolveDir, path), external: true }
          : undefined,
      );
    },
  };
}
