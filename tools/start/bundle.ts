// Puts the command line's 700 modules into a few files, which start in a sixth of the time.
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

/** A module asks where it stands in the sources, not in the bundle. */
const sourcePlaces: Plugin = {
  name: "source-places",
  setup({ onLoad }) {
    onLoad({ filter: /\/packages\/[^/]+\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source
        .replaceAll("import.meta.filename", JSON.stringify(path))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)));
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
    plugins: [sourcePlaces],
    // Packages in the older format ask for Node's own modules by `require`.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    // A stack trace names lines of the bundle; their text is that of the source.
    minify: false,
    legalComments: "none",
    logLevel: "error",
  });
  await rename(staging, directory).catch(async (error: NodeJS.ErrnoException) => {
    // Another process was quicker.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
} finally {
  await rm(staging, { recursive: true, force: true });
}
