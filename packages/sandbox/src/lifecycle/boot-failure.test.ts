// What a person is told about a boot that failed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type BootEvidence, bootFailure, likelyCause, phaseReached } from "./boot-failure.ts";

const evidence: BootEvidence = {
  consoleText: "",
  lastLines: [],
  stage: undefined,
  stopped: undefined,
  monitorOutput: "",
  waitedMs: 1234,
};

const phases: readonly (readonly [text: string, stage: string | undefined, phase: string])[] = [
  ["", undefined, "the firmware"],
  ["Booting from ROM..", undefined, "the boot loader"],
  ["[    0.000000] Linux version 6.1", undefined, "the kernel"],
  ["[    0.000000] x\nkelpie: init root", "root", "init root"],
  ["kelpie: agent ready", "agent ready", "agent ready"],
];

for (const [consoleText, stage, phase] of phases) {
  test(`a console with ${JSON.stringify(consoleText)} means that the boot came as far as ${phase}`, () => {
    assert.equal(phaseReached({ consoleText, stage }), phase);
  });
}

const causes: readonly (readonly [text: string, cause: RegExp | undefined])[] = [
  ["[ 1.2] Out of memory: Killed process 1", /--memory/],
  ["[ 0.5] Initramfs unpacking failed: write error\n[ 0.6] Kernel panic - not syncing: VFS", /--memory/],
  ["kelpie: error root LABEL=kelpie-root: no such device", /root file system/],
  ["VFS: Unable to mount root fs on unknown-block(0,0)\nKernel panic - not syncing", /root file system/],
  ["kelpie: error module virtio_blk: Invalid argument", /module/],
  ["virtio: Unknown symbol vring_create", /module/],
  ["Kernel panic - not syncing: No working init found.", /no \/init/],
  ["EXT4-fs error (device vda): ext4_lookup", /damaged/],
  ["kelpie: error agent /usr/local/bin/kelpie-guest: No such file or directory", /agent/],
  ["Kernel panic - not syncing: Attempted to kill the idle task!", /panicked/],
  ["", /Nothing ran/],
  ["[    0.1] a kernel that says nothing special", undefined],
];

for (const [consoleText, cause] of causes) {
  test(`the likely cause of ${JSON.stringify(consoleText)} is ${cause === undefined ? "not guessed" : String(cause)}`, () => {
    const likely = likelyCause({ ...evidence, consoleText });
    if (cause === undefined) assert.equal(likely, undefined);
    else assert.match(likely ?? "", cause);
  });
}

test("an agent that was started and stays silent is named", () => {
  assert.match(
    likelyCause({ ...evidence, consoleText: "kelpie: init agent", stage: "agent" }) ?? "",
    /does not answer/,
  );
});

test("the error says how it ended, the phase, QEMU's words and the console's last lines", () => {
  const error = bootFailure({
    ...evidence,
    consoleText: "kelpie: init root",
    stage: "root",
    lastLines: ["first", "kelpie: init root"],
    stopped: { kind: "guest-reset" },
    monitorOutput: "qemu: warning",
  });
  assert.equal(error.code, "boot-failed");
  assert.equal(error.summary, "The guest did not become ready: the guest reset itself after 1.2 s");
  assert.equal(
    error.found,
    "the boot came as far as init root\nQEMU says:\nqemu: warning\nthe console ends with:\nfirst\nkelpie: init root",
  );
});
