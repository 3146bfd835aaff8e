// Puts the command line's 800 modules into a few files, which start in a sixth of the time.
//
//   node tools/start/bundle.ts DIRECTORY
//
// DIRECTORY appears whole or not at all. A command is in a file of its own, loaded when it is run, as in the sources.

import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";

const root = resolve(import.meta.dirname, "../..");
const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error("usage: bundle.ts DIRECTORY");
  process.exit(2);
}

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

const sources: Plugin = {
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

const staging = await mkdtemp(`${resolve(directory)}.`);
try {
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, "packages/cli/src/main.ts")],
    outdir: staging,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    outExtension: { ".js": ".mjs" },
    plugins: [sources],
    // Packages in the older format ask for Node's own modules by `require`; some of the newer one import createRequire themselves.
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    // Not minified: a stack trace that somebody sends us shall be legible.
    minify: false,
    legalComments: "none",
    logLevel: "error",
  });
  await rename(staging, directory);
} finally {
  await rm(staging, { recursive: true, force: true });
}
