// Puts the command line's 800 modules into a few files, which start in a sixth of the time.
//
//   node tools/start/bundle.ts DIRECTORY
//
// DIRECTORY appears whole or not at all. In it, main.mjs is the program: a command is in a file of its own, loaded when it is
// run, as in the sources. run.cjs is the same program once more for `kelpie run` alone, the command that people wait for:
// all in one file, of the older format, as each file costs Node.js a third of a millisecond, and its newer loader ten.

import { mkdtemp, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build, type BuildOptions } from "esbuild";
import { builtins, onlyCommand, root, sources } from "./plugins.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error("usage: bundle.ts DIRECTORY");
  process.exit(2);
}

const common = {
  absWorkingDir: root,
  entryPoints: [join(root, "packages/cli/src/main.ts")],
  bundle: true,
  platform: "node",
  target: "node24",
  // Not minified: a stack trace that somebody sends us shall be legible.
  minify: false,
  legalComments: "none",
  logLevel: "error",
} as const satisfies BuildOptions;

const staging = await mkdtemp(`${resolve(directory)}.`);
try {
  await Promise.all([
    build({
      ...common,
      outdir: staging,
      splitting: true,
      format: "esm",
      outExtension: { ".js": ".mjs" },
      plugins: [sources, builtins],
      // Packages in the older format ask for Node's own modules by `require`; some of the newer one import createRequire themselves.
      banner: {
        js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
      },
    }),
    build({
      ...common,
      outfile: join(staging, "run.cjs"),
      format: "cjs",
      plugins: [sources, builtins, onlyCommand("./run.ts")],
    }),
  ]);
  await rename(staging, directory);
} finally {
  await rm(staging, { recursive: true, force: true });
}
