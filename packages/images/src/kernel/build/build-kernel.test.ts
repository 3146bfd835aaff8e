// How a kernel's build goes about its work, with a source that is built in a moment. What the real one makes is booted by VM tests.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import {
  machineWithCompilers,
  release,
  smallKernelSource,
  withoutBuildTools,
} from "../testing/small-kernel-source.ts";
import { buildKernel, type KernelBuildOptions } from "./build-kernel.ts";
import { readKernelRecipe } from "./kernel-recipe.ts";
import { findKernelTools } from "./kernel-tools.ts";

const skip = withoutBuildTools();

interface World {
  readonly directory: string;
  readonly platform: Platform;
  /** A build into `home`, a directory's name. */
  options(home?: string): KernelBuildOptions;
  runs(home?: string): number;
}

async function world(
  context: TestContext,
  setting: { config?: string; marks?: readonly string[]; architecture?: "amd64" | "arm64" } = {},
): Promise<World> {
  const { config = "CONFIG_SMP=y\n", marks = [], architecture = "amd64" } = setting;
  const { path: directory, [Symbol.asyncDispose]: dispose } =
    await realPlatform.files.temporaryDirectory("kelpie-kernel-");
  context.after(dispose);
  const platform = machineWithCompilers(directory);
  const source = await smallKernelSource(directory, marks);
  const configs = join(directory, "configs");
  mkdirSync(configs);
  writeFileSync(join(configs, "common.config"), "# For all.\nCONFIG_NET=y\n");
  writeFileSync(join(configs, `${architecture}.config`), config);
  const recipe = await readKernelRecipe(platform.files, configs, architecture);
  const { compiler } = await findKernelTools(platform, architecture);
  const place = (home: string): string => join(directory, home);
  return {
    directory,
    platform,
    options: (home = "home") => ({
      platform,
      home: place(home),
      ingredients: { architecture, recipe, source: source.package, compiler },
      download: () => Promise.resolve(source.archive),
      onProgress: () => undefined,
      signal: undefined,
    }),
    runs: (home = "home") => {
      const path = join(place(home), "cache/kernel/runs");
      return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
    },
  };
}

const leftIn = (options: KernelBuildOptions): string[] =>
  readdirSync(join(options.home, "cache/kernel")).filter((name) => name !== "runs" && name !== "sleeper");

test("a kernel is configured, compiled, recorded, and taken from the cache the next time", {
  skip,
}, async (context) => {
  const at = await world(context);
  const lines: string[] = [];
  const built = await buildKernel({ ...at.options(), onProgress: (line) => lines.push(line) });
  assert.equal(built.release, release);
  assert.equal(built.compiler, "gcc (Test) 12.0");
  assert.deepEqual(readdirSync(built.directory), [
    "build.json",
    "config",
    "modules.builtin",
    "modules.builtin.modinfo",
    "vmlinux",
    "vmlinuz",
  ]);
  assert.equal(
    readFileSync(join(built.directory, "config"), "utf8"),
    "CONFIG_NET=y\nCONFIG_SMP=y\nCONFIG_TINY=y\n",
  );
  assert.ok(lines.includes("1 files: init/main.o"), lines.join("\n"));
  assert.deepEqual(await buildKernel(at.options()), built);
  assert.equal(at.runs(), 1);
  assert.deepEqual(leftIn(at.options()), [built.directory.split("/").at(-1)]);
});

test("neither the directory nor the person's variables reach the kernel, and its time is the source's", {
  skip,
}, async (context) => {
  const at = await world(context);
  const images = [];
  for (const home of ["one", "another/below"]) {
    const { directory } = await buildKernel(at.options(home));
    images.push(readFileSync(join(directory, "vmlinuz"), "latin1"));
  }
  assert.equal(images[0], images[1]);
  assert.match(images[0] ?? "", /kelpie@kelpie #1 Thu, 15 Jan 2026 00:00:00 GMT {3}\n/);
});

test("another architecture is compiled by its own compiler", { skip }, async (context) => {
  const at = await world(context, { architecture: "arm64" });
  const { directory } = await buildKernel(at.options());
  assert.match(readFileSync(join(directory, "vmlinuz"), "latin1"), / aarch64-linux-gnu-\n/);
  assert.ok(!existsSync(join(directory, "vmlinux")));
});

test("every option that does not take effect is named, and nothing is compiled", {
  skip,
}, async (context) => {
  const config =
    'CONFIG_SMP=y\nCONFIG_UNKNOWN=y\n# CONFIG_TINY is not set\nCONFIG_ODD="x"\n# CONFIG_NO_SUCH is not set\n';
  const at = await world(context, { config });
  await assert.rejects(
    buildKernel(at.options()),
    (error) =>
      KelpieError.is(error) &&
      error.code === "invalid-input" &&
      error.expected === 'CONFIG_ODD="x", CONFIG_UNKNOWN=y' &&
      error.found === "# CONFIG_ODD is not set, # CONFIG_UNKNOWN is not set",
  );
  assert.equal(at.runs(), 0);
  assert.deepEqual(leftIn(at.options()), []);
});

test("a compiler that fails is quoted, and what it left is removed", { skip }, async (context) => {
  const at = await world(context, { marks: ["fail"] });
  await assert.rejects(
    buildKernel(at.options()),
    (error) =>
      KelpieError.is(error) &&
      error.code === "process-failed" &&
      /main\.c:1: error: no such/.test(error.message),
  );
  assert.deepEqual(leftIn(at.options()), []);
});

test("who cancels a build ends all of its processes", { skip }, async (context) => {
  const at = await world(context, { marks: ["hang"] });
  const stop = new AbortController();
  const onProgress = (line: string): void => {
    if (line.endsWith("vmlinux")) stop.abort();
  };
  await assert.rejects(
    buildKernel({ ...at.options(), onProgress, signal: stop.signal }),
    (error) => stop.signal.aborted && error !== undefined,
  );
  const sleeper = Number(readFileSync(join(at.options().home, "cache/kernel/sleeper"), "utf8"));
  assert.ok(isGone(sleeper), "the process that make had started is gone");
  assert.deepEqual(leftIn(at.options()), []);
});

/** A process that was killed may wait for whoever takes its exit code. */
function isGone(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

test("of two that ask at once one compiles", { skip }, async (context) => {
  const at = await world(context);
  const [one, other] = await Promise.all([buildKernel(at.options()), buildKernel(at.options())]);
  assert.deepEqual(one, other);
  assert.equal(at.runs(), 1);
});

test("a kernel that was changed in the cache is compiled again", { skip }, async (context) => {
  const at = await world(context);
  const { directory } = await buildKernel(at.options());
  const before = readFileSync(join(directory, "vmlinuz"));
  writeFileSync(join(directory, "vmlinuz"), before.fill(1, 100, 101));
  await buildKernel(at.options());
  assert.equal(at.runs(), 2);
});

test("a compiler other than the one that was asked for is refused", { skip }, async (context) => {
  const at = await world(context);
  const options = at.options();
  const { ingredients } = options;
  const compiler = { name: "gcc (Test) 13.0", identity: "sha256:0" };
  await assert.rejects(
    buildKernel({ ...options, ingredients: { ...ingredients, compiler } }),
    (error) => KelpieError.is(error) && error.code === "digest-mismatch" && /12\.0/.test(error.message),
  );
});

test("a package without the source is told", { skip }, async (context) => {
  const at = await world(context);
  const empty = join(at.directory, "empty.deb");
  writeFileSync(empty, "!<arch>\n");
  await assert.rejects(
    buildKernel({ ...at.options(), download: () => Promise.resolve(empty) }),
    (error) => KelpieError.is(error) && error.code === "not-found",
  );
});

test("what is missing to compile with is named, with the command that installs it", async (context) => {
  const { path: directory, [Symbol.asyncDispose]: dispose } =
    await realPlatform.files.temporaryDirectory("kelpie-kernel-");
  context.after(dispose);
  const platform = machineWithCompilers(directory, ["flex", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ld"]);
  await assert.rejects(
    findKernelTools(platform, "arm64"),
    (error) =>
      KelpieError.is(error) &&
      error.code === "missing-tool" &&
      error.found === "without flex, aarch64-linux-gnu-gcc, aarch64-linux-gnu-ld" &&
      error.help?.endsWith("apt-get install --no-install-recommends flex gcc-aarch64-linux-gnu") === true,
  );
});
