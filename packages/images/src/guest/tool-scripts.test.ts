import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { linkerScript, quote, rustcScript, type ToolPaths } from "./tool-scripts.ts";
import { machines } from "./toolchain.ts";

const { amd64, arm64 } = machines;

/** Runs a script whose tools are played by one that prints its arguments, a line each. */
async function argumentsOf(
  context: TestContext,
  script: (paths: ToolPaths) => string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string[]> {
  const { path: directory, [Symbol.asyncDispose]: dispose } =
    await realPlatform.files.temporaryDirectory("kelpie it's-");
  context.after(dispose);
  const root = join(directory, "host");
  const paths: ToolPaths = {
    root,
    targetRoot: join(directory, "target"),
    host: amd64,
    target: arm64,
    gccVersion: "12",
    llvmVersion: "22",
    discardScript: join(directory, "discard.ld"),
  };
  const loader = join(root, amd64.loader);
  mkdirSync(dirname(loader), { recursive: true });
  const file = join(directory, "script");
  for (const [path, text] of [
    [loader, '#!/bin/sh\nprintf "%s\\n" "$@"\n'],
    [file, script(paths)],
  ] as const) {
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
  const { stdout, status } = spawnSync(file, args, { env: { PATH: "/usr/bin:/bin", ...env } });
  assert.equal(status, 0);
  return stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => line.replaceAll(directory, "…"));
}

test("a text stays one word, whatever is in it", () => {
  for (const text of ["plain", "two words", "it's", '$(reboot) `x` \\ "', "*"]) {
    const { stdout } = spawnSync("sh", ["-c", `printf %s ${quote(text)}`]);
    assert.equal(stdout.toString(), text);
  }
});

test("a static program is linked with the target's C library, and relocates itself", async (context) => {
  const args = await argumentsOf(context, linkerScript, ["a.o", "-static", "-o", "out"]);
  const lib = "…/target/usr/lib/aarch64-linux-gnu";
  const gcc = "…/target/usr/lib/gcc/aarch64-linux-gnu/12";
  assert.deepEqual(args.slice(args.indexOf("…/host/usr/lib/llvm-22/bin/lld") + 1), [
    ...[`${lib}/rcrt1.o`, `${lib}/crti.o`, `${gcc}/crtbeginS.o`, "a.o", "-static", "-o", "out"],
    ...[
      "--sysroot=…/target",
      "-pie",
      "--no-dynamic-linker",
      "-z",
      "text",
      "-z",
      "pack-relative-relocs",
      "--build-id=sha1",
    ],
    ...["-L", gcc, "-L", lib, `${gcc}/crtendS.o`, `${lib}/crtn.o`],
  ]);
});

test("a program that never unwinds has its tables left out", async (context) => {
  const env = { KELPIE_NEVER_UNWINDS: "1" };
  const args = await argumentsOf(context, linkerScript, ["-static"], env);
  assert.equal(args[args.indexOf("-T") + 1], "…/discard.ld");
  assert.ok(!(await argumentsOf(context, linkerScript, ["a.o"], env)).includes("-T"));
});

test("a build script runs here, with the unpacked C library and its loader", async (context) => {
  const args = await argumentsOf(context, linkerScript, ["a.o", "-pie"]);
  assert.equal(args[args.indexOf("--dynamic-linker") + 1], `…/host/${amd64.loader}`);
  assert.ok(args.includes("…/host/usr/lib/x86_64-linux-gnu/Scrt1.o"));
  assert.ok(!args.some((each) => each.includes("aarch64")));
});

test("a procedural macro is a library and has no start", async (context) => {
  const args = await argumentsOf(context, linkerScript, ["a.o", "-shared"]);
  assert.ok(!args.some((each) => each.endsWith("Scrt1.o")) && !args.includes("--dynamic-linker"));
});

test("the compiler takes the target's libraries for the target only, and forgets where crates lie", async (context) => {
  const env = {
    CARGO_MANIFEST_DIR: "/home/me/registry/x-1.0",
    CARGO_PKG_NAME: "x",
    CARGO_PKG_VERSION: "1.0",
    OUT_DIR: "/home/me/out",
  };
  const args = await argumentsOf(context, rustcScript, ["--target", arm64.glibcTarget, "x.rs"], env);
  assert.deepEqual(args.slice(args.indexOf("…/host/usr/bin/rustc") + 1), [
    ...["--sysroot", "…/target/usr", "--target", arm64.glibcTarget, "x.rs"],
    ...["--remap-path-prefix", "/home/me/registry/x-1.0=/crates/x-1.0"],
    ...["--remap-path-prefix", "/home/me/out=/crates/x-1.0/out"],
  ]);
  assert.ok(!(await argumentsOf(context, rustcScript, ["x.rs"])).includes("--sysroot"));
});
