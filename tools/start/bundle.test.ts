// The bundle itself: that its programs run, and what `kelpie run` loads before its machine starts.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { build, type Metafile } from "esbuild";
import { builtins, root, sources } from "./plugins.ts";

const directory = mkdtempSync(join(tmpdir(), "kelpie-bundle-"));
after(() => rmSync(directory, { recursive: true }));

test("both programs of a bundle know what is asked of them", () => {
  const bundle = join(directory, "bundle");
  execFileSync(process.execPath, [join(root, "tools/start/bundle.ts"), bundle]);
  const say = (program: string, ...words: string[]): string =>
    execFileSync(process.execPath, [join(bundle, program), ...words], { encoding: "utf8" });
  assert.equal(say("run.cjs", "run", "--help"), say("main.mjs", "run", "--help"));
  assert.match(say("main.mjs", "images", "list", "--help"), /Usage: kelpie images list/);
  const { status, stderr } = spawnSync(process.execPath, [
    join(bundle, "run.cjs"),
    "run",
    "--memory",
    "much",
    "--",
    "true",
  ]);
  assert.equal(status, 2, stderr.toString());
});

const beforeLaunch = [
  "cli/src/main.ts",
  "cli/src/commands/run.ts",
  "sandbox/src/lifecycle/stored-image.ts",
  "sandbox/src/vmm/qemu/backend.ts",
].map((path) => join("packages", path));

/** What must wait until QEMU runs, or until somebody asks for it. */
const mayWait = [
  "node_modules/@bufbuild/",
  "node_modules/@connectrpc/",
  "node_modules/yaml/",
  "node_modules/@sigstore/",
  "packages/repositories/",
  "packages/sandbox/src/network/",
  "packages/sandbox/src/vmm/firecracker/",
  "packages/sandbox/src/vmm/libkrun/",
  "packages/sandbox/src/templates/make-template.ts",
  "packages/images/src/distribution/oci/",
  "builtin:http",
  "builtin:http2",
  "builtin:tls",
  "builtin:zlib",
  "builtin:dns/promises",
];
const ownBytesAtMost = 600_000;

test("kelpie run loads only what it needs before its machine starts", async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: beforeLaunch,
    outdir: directory,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "error",
    plugins: [sources, builtins],
  });
  const loaded = reached(metafile, beforeLaunch);
  const early = mayWait.filter((part) => [...loaded].some((path) => path === part || path.startsWith(part)));
  assert.deepEqual(early, []);
  const own = [...loaded].filter((path) => path.startsWith("packages/"));
  const bytes = own.reduce((sum, path) => sum + (metafile.inputs[path]?.bytes ?? 0), 0);
  assert.ok(bytes < ownBytesAtMost, `${own.length} files of ${bytes} bytes`);
  assert.ok(own.length > 50, "the measure sees hardly anything");
});

/** The files that these load, at once and not when something is asked for. */
function reached({ inputs }: Metafile, entries: readonly string[]): ReadonlySet<string> {
  const found = new Set(entries);
  for (const path of found) {
    for (const { path: next, kind, external } of inputs[path]?.imports ?? []) {
      if (kind !== "dynamic-import" && external !== true) found.add(next);
    }
  }
  return found;
}
