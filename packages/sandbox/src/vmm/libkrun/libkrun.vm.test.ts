// An installed libkrun: whatever this machine can run of it. `KELPIE_LIBKRUN` names one that the loader does not find.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeError, realPlatform } from "@kelpie/platform";
import { findTestImage } from "../../testing/test-image.ts";
import { tinyKernel } from "../../testing/tiny-kernel.ts";
import { processesOf, vmmSubject, type VmmSubject } from "../../testing/vmm-compliance/subject.ts";
import { describeVmm } from "../../testing/vmm-compliance/suite.ts";
import { libkrunBackend } from "./backend.ts";
import { findLibkrun } from "./find-libkrun.ts";
import { LibkrunVmm } from "./libkrun-vmm.ts";

const never = new AbortController().signal;
const { files, host } = realPlatform;
const architecture = host.architecture ?? "amd64";
const looksAfterMs = 1_000;

const found = await findTestImage(architecture);
const library = await findLibkrun(realPlatform).catch(describeError);
const noDevice = (await files.stat("/dev/kvm")) === undefined ? "there is no /dev/kvm" : false;
const cannot = typeof library === "string" ? library : "skip" in found ? found.skip : false;

async function whyNotProven(): Promise<string | false> {
  if (cannot !== false) return cannot;
  await using home = await files.temporaryDirectory("kelpie-krun-");
  const finding = await libkrunBackend.examine(realPlatform, {
    architecture,
    home: home.path,
    signal: never,
  });
  return finding.kind === "unusable" ? `not proven on this machine: ${finding.why}` : false;
}

async function open(): Promise<VmmSubject> {
  if ("skip" in found || typeof library === "string") throw new TypeError("skipped");
  const home = await files.temporaryDirectory("kelpie-krun-");
  const subject = await vmmSubject(new LibkrunVmm(realPlatform, library, home.path), found.image);
  return {
    ...subject,
    async [Symbol.asyncDispose]() {
      await subject[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

describeVmm("libkrun", open, await whyNotProven());

const skipEntry = cannot === false ? noDevice : cannot;

test("an installed libkrun takes every call, and its process has a processor of a guest", {
  skip: skipEntry,
}, async () => {
  await using subject = await open();
  const runDirectory = await subject.newDirectory();
  const { image, vmm } = subject;
  const directories = [{ name: "kelpie-share-0", path: runDirectory, readOnly: true }];
  const shape = { image, memoryMiB: 192, cpus: 1, agentPorts: 2, hostname: "kelpie", runDirectory };
  await using machine = await vmm.start(
    { ...shape, diskBytes: 1 << 30, sharedDirectories: directories },
    never,
  );
  await realPlatform.clock.sleep(looksAfterMs);
  const { monitorOutput } = await machine.diagnose();
  assert.equal(machine.state.kind, "running", monitorOutput);
  const [pid] = await processesOf(runDirectory);
  const threads = readdirSync(`/proc/${pid}/task`).map((id) =>
    readFileSync(join(`/proc/${pid}/task`, id, "comm"), "utf8").trim(),
  );
  assert.ok(
    threads.some((name) => name.includes("vcpu")),
    threads.join(", "),
  );
});

const skipTiny =
  typeof library === "string" ? library : architecture === "amd64" ? noDevice : "the guest is for amd64";

test("a guest has its command line, devices, initrd and console by an installed libkrun, and ends its machine by a reset", {
  skip: skipTiny,
}, async () => {
  await using home = await files.temporaryDirectory("kelpie-krun-");
  const [kernel, initrd, rootfs, runDirectory] = ["k", "i", "r", "run"].map((name) => join(home.path, name));
  assert.ok(kernel && initrd && rootfs && runDirectory && typeof library !== "string");
  writeFileSync(kernel, tinyKernel());
  writeFileSync(initrd, "what the initrd says");
  writeFileSync(rootfs, Buffer.alloc(1 << 20));
  await files.makeDirectory(runDirectory, 0o700);
  const vmm = new LibkrunVmm(realPlatform, library, home.path);
  const image = { architecture, rootfs, kernel, initrd };
  const shape = { image, memoryMiB: 64, cpus: 1, agentPorts: 3, hostname: "tiny", runDirectory };
  const sharedDirectories = [{ name: "kelpie-share-0", path: home.path, readOnly: false }];
  await using machine = await vmm.start({ ...shape, sharedDirectories }, never);
  assert.deepEqual(await machine.stopped, { kind: "guest-reset" }, (await machine.diagnose()).monitorOutput);
  const [commandLine = "", last] = (await machine.diagnose()).console.lastLines(2);
  assert.equal(last, "what the initrd says");
  const ours = "kelpie.hostname=tiny kelpie.ports=3 reboot=k kelpie.poweroff=reset";
  assert.match(commandLine, new RegExp(`^console=ttyS0 quiet root=LABEL=kelpie-root .*${ours} `));
  // A balloon, randomness, a directory, a disk and a socket device; nothing that leads to the host's network.
  assert.equal(commandLine.match(/virtio_mmio\.device=/g)?.length, 5, commandLine);
  assert.doesNotMatch(commandLine, /tsi_hijack/);
});
