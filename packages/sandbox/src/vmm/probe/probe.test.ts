// The accelerator probe: its programs, its verdicts, and how long a verdict is believed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Architecture, architectures, type Platform, realPlatform } from "@kelpie/platform";
import { findQemu, type QemuInstallation } from "../qemu/find-qemu.ts";
import { qemuProgram } from "../qemu/machine.ts";
import { chooseAccelerator } from "./choose-accelerator.ts";
import { probeAccelerator } from "./probe-accelerator.ts";
import { probeProgram } from "./probe-programs.ts";

const { files, processes } = realPlatform;
const never = new AbortController().signal;

const assemblers: Readonly<Record<Architecture, string>> = {
  amd64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

async function missing(...tools: string[]): Promise<string | false> {
  for (const tool of tools) if ((await processes.find(tool)) === undefined) return `${tool} is not installed`;
  return false;
}

for (const architecture of architectures) {
  const tools = ["gcc", "objcopy"].map((tool) => `${assemblers[architecture]}-${tool}`);
  const [gcc = "", objcopy = ""] = tools;
  test(`the ${architecture} program is what the assembler makes of its source`, {
    skip: await missing(...tools),
  }, async () => {
    await using directory = await files.temporaryDirectory("kelpie-probe-test-");
    const object = join(directory.path, "probe.o");
    const binary = join(directory.path, "probe.bin");
    execFileSync(gcc, ["-c", join(import.meta.dirname, `probe-${architecture}.S`), "-o", object]);
    execFileSync(objcopy, ["-O", "binary", "-j", ".text", object, binary]);
    assert.ok(readFileSync(binary).equals(probeProgram(architecture)));
  });

  const { command } = qemuProgram[architecture];
  test(`the ${architecture} program answers where a processor works: under emulation`, {
    skip: await missing(command),
  }, async () => {
    const qemu = await findQemu(realPlatform, architecture);
    assert.deepEqual(await probeAccelerator(realPlatform, qemu.program, architecture, "tcg", never), {
      works: true,
    });
  });
}

/** A "QEMU" that is a shell script. */
async function scripted(directory: string, script: string): Promise<QemuInstallation> {
  const program = join(directory, "qemu");
  {
    await using file = await files.open(program, "create", 0o755);
    await file.write(Buffer.from(`#!/bin/sh\n${script}\n`), 0);
  }
  return { program, buildId: "script", quickFirmware: undefined };
}

const linux: Platform = {
  ...realPlatform,
  host: { ...realPlatform.host, operatingSystem: "linux", architecture: "amd64" },
};
/** As {@link linux}, but a second passes in ten milliseconds. */
const hurried: Platform = {
  ...linux,
  clock: { ...linux.clock, deadline: (durationMs, what) => linux.clock.deadline(durationMs / 100, what) },
};

const verdicts: readonly (readonly [what: string, script: string, reason: RegExp, platform: Platform])[] = [
  ["says nothing and does not end", "exec sleep 100", /did not get anywhere/, hurried],
  ["ends without an answer", "echo; exit 0", /without an answer/, linux],
  [
    "cannot open the device",
    "echo 'Could not access KVM kernel module: Permission denied' >&2; exit 1",
    /Permission denied/,
    linux,
  ],
  ["crashes", "echo kelp; kill -ABRT $$", /without an answer/, linux],
];

for (const [what, script, reason, platform] of verdicts) {
  test(`a QEMU that ${what} gives emulation, and the reason is told`, async () => {
    await using home = await files.temporaryDirectory("kelpie-probe-test-");
    const qemu = await scripted(home.path, script);
    const choice = await chooseAccelerator(platform, home.path, "amd64", qemu, never);
    assert.equal(choice.accelerator, "tcg");
    assert.match(choice.fallback ?? "", reason);
    assert.doesNotMatch(choice.fallback ?? "", /\n/);
  });
}

test("a verdict is news once and kept for this QEMU, and another QEMU is tried anew", async () => {
  await using home = await files.temporaryDirectory("kelpie-probe-test-");
  const mark = join(home.path, "mark");
  const qemu = await scripted(home.path, `echo run >> ${mark}; echo kelpie`);
  const choose = (buildId: string): ReturnType<typeof chooseAccelerator> =>
    chooseAccelerator(linux, home.path, "amd64", { ...qemu, buildId }, never);
  for (const [buildId, isNews] of [
    ["one", true],
    ["one", false],
    ["two", true],
    ["two", false],
  ] as const) {
    assert.deepEqual(await choose(buildId), { accelerator: "kvm", fallback: undefined, isNews });
  }
  assert.equal(readFileSync(mark, "utf8"), "run\nrun\n");
});

test("a record that was damaged is made again", async () => {
  await using home = await files.temporaryDirectory("kelpie-probe-test-");
  const qemu = await scripted(home.path, "echo kelpie");
  await files.makeDirectory(join(home.path, "cache"));
  await using file = await files.open(join(home.path, "cache/accelerator-amd64.json"), "create");
  await file.write(Buffer.from("{"), 0);
  assert.equal((await chooseAccelerator(linux, home.path, "amd64", qemu, never)).accelerator, "kvm");
});

test("a guest of another architecture is emulated without a trial", async () => {
  await using home = await files.temporaryDirectory("kelpie-probe-test-");
  const qemu = await scripted(home.path, "exit 99");
  const choice = await chooseAccelerator(linux, home.path, "arm64", qemu, never);
  assert.match(choice.fallback ?? "", /another kind of processor/);
  assert.equal(existsSync(join(home.path, "cache")), false);
});
