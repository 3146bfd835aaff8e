// The cache and the environment of a build, with a compiler that is played by a script. The real one is proven by the VM tests,
// which boot what it makes.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { guestBinaries, type GuestBinariesOptions } from "./guest-binaries.ts";

/** The header of a static ELF executable; without one segment it asks for no loader and no library. */
function staticExecutable(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(64, 58);
  return header;
}

interface World extends GuestBinariesOptions {
  readonly directory: string;
  /** How often the compiler ran. */
  runs(): string[];
}

/** A checkout, a home, and a machine on which rustc and cargo are scripts that note their calls. */
async function world(context: TestContext, machine = 62, version = "1.95.0"): Promise<World> {
  const { path: directory, [Symbol.asyncDispose]: dispose } =
    await realPlatform.files.temporaryDirectory("kelpie-guest-");
  context.after(dispose);
  const place = (name: string): string => join(directory, name);
  mkdirSync(place("checkout/guest/init/target"), { recursive: true });
  writeFileSync(place("checkout/guest/Cargo.lock"), "version = 4\n");
  writeFileSync(place("checkout/guest/init/main.rs"), "fn main() {}\n");
  writeFileSync(place("checkout/guest/init/target/left"), "over");
  writeFileSync(place("program"), staticExecutable(machine));
  script(
    place("rustc"),
    `case $1 in -vV) echo "rustc ${version} (abc 2026-01-01)";; *) echo ${directory};; esac`,
  );
  script(
    place("cargo"),
    `while [ $# -gt 0 ]; do case $1 in
       --package) package=$2 ;; --target) target=$2 ;; --profile) profile=$2 ;;
     esac; shift; done
     { echo "$package $profile \${KELPIE_NEVER_UNWINDS:-unwinds} \${SECRET:-clean} $(cat init/main.rs)"; } >> ${place("runs")}
     [ -e ${place("fail")} ] && { echo "error: no such thing" >&2; exit 101; }
     mkdir -p "$CARGO_TARGET_DIR/$target/$profile" && cp ${place("program")} "$CARGO_TARGET_DIR/$target/$profile/$package"`,
  );
  const platform: Platform = {
    ...realPlatform,
    host: {
      ...realPlatform.host,
      operatingSystem: "darwin",
      environment: { ...realPlatform.host.environment, SECRET: "leaked", RUSTFLAGS: "-O" },
    },
    processes: { ...realPlatform.processes, find: (name) => Promise.resolve(place(name)) },
  };
  return {
    platform,
    directory,
    home: place("home"),
    sourceDirectory: place("checkout/guest"),
    architecture: "amd64",
    runs: () => readFileSync(place("runs"), "utf8").trim().split("\n"),
  };
}

function script(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

function refused(code: string, ...parts: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(KelpieError.is(error), String(error));
    assert.equal(error.code, code);
    const whole = `${error.message} ${error.help ?? ""}`;
    for (const part of parts) assert.ok(whole.includes(part), `${part} in ${whole}`);
    return true;
  };
}

test("the programs are compiled once, and then come from the cache", async (context) => {
  const here = await world(context);
  const first = await guestBinaries(here);
  assert.deepEqual(readFileSync(first.init), staticExecutable(62));
  assert.equal(first.compiler, "rustc 1.95.0 (abc 2026-01-01)");
  assert.match(first.digests.agent, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(await guestBinaries(here), first);
  assert.deepEqual(here.runs(), [
    "kelpie-init init 1 clean fn main() {}",
    "kelpie-guest release unwinds clean fn main() {}",
  ]);
});

test("another source is another build, and what a build left behind is no source", async (context) => {
  const here = await world(context);
  const first = await guestBinaries(here);
  writeFileSync(join(here.sourceDirectory, "init/target/left"), "changed");
  assert.equal((await guestBinaries(here)).init, first.init);
  writeFileSync(join(here.sourceDirectory, "init/main.rs"), "fn main() { work() }\n");
  assert.notEqual((await guestBinaries(here)).init, first.init);
  assert.match(here.runs().at(-1) ?? "", /work\(\)/);
});

test("another compiler is another build", async (context) => {
  const here = await world(context);
  const first = await guestBinaries(here);
  script(
    join(here.directory, "rustc"),
    `case $1 in -vV) echo "rustc 1.96.0";; *) echo ${here.directory};; esac`,
  );
  assert.notEqual((await guestBinaries(here)).init, first.init);
});

test("a program that was changed in the cache is not used", async (context) => {
  const here = await world(context);
  const { agent } = await guestBinaries(here);
  writeFileSync(agent, "something else");
  await guestBinaries(here);
  assert.deepEqual(readFileSync(agent), staticExecutable(62));
  assert.equal(here.runs().length, 4);
});

test("many who ask at once wait for one build", async (context) => {
  const here = await world(context);
  const all = await Promise.all(Array.from({ length: 5 }, () => guestBinaries(here)));
  assert.equal(new Set(all.map(({ init }) => init)).size, 1);
  assert.equal(here.runs().length, 2);
});

test("a build that fails leaves nothing to be taken for finished, and carries the compiler's words", async (context) => {
  const here = await world(context);
  writeFileSync(join(here.directory, "fail"), "");
  await assert.rejects(
    guestBinaries(here),
    refused("process-failed", "exit code 101", "error: no such thing"),
  );
  const cache = join(here.home, "cache/guest");
  assert.deepEqual(readdirSync(cache), ["build-amd64"]);
});

test("a program for another machine is refused", async (context) => {
  const here = await world(context, 183);
  await assert.rejects(guestBinaries(here), refused("internal", "for amd64", "for arm64"));
});

test("a compiler that is too old is named, with the command that renews it", async (context) => {
  const here = await world(context, 62, "1.87.0");
  await assert.rejects(guestBinaries(here), refused("missing-tool", "1.87.0", "rustup update"));
});

test("libraries of the target that are missing are named, with the command that adds them", async (context) => {
  const here = await world(context);
  script(join(here.directory, "rustc"), 'case $1 in -vV) echo "rustc 1.95.0";; *) echo /nowhere;; esac');
  await assert.rejects(
    guestBinaries(here),
    refused("missing-tool", "rustup target add x86_64-unknown-linux-musl"),
  );
});

test("without sources there is nothing to compile", async (context) => {
  const here = await world(context);
  await assert.rejects(
    guestBinaries({ ...here, sourceDirectory: join(here.directory, "elsewhere/guest") }),
    refused("not-found", "elsewhere"),
  );
});
