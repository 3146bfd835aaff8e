// An installed Firecracker, on PATH: whatever this machine can run of it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeError, realPlatform } from "@kelpie/platform";
import { findTestImage } from "../../testing/test-image.ts";
import { tinyKernel } from "../../testing/tiny-kernel.ts";
import { processesOf, specOf, vmmSubject, type VmmSubject } from "../../testing/vmm-compliance/subject.ts";
import { describeVmm } from "../../testing/vmm-compliance/suite.ts";
import { attachMachine } from "../backends.ts";
import type { BootImage, SavedMachine, VirtualMachine } from "../vmm.ts";
import { firecrackerBackend } from "./backend.ts";
import { findFirecracker } from "./find-firecracker.ts";
import { firecrackerVmm } from "./firecracker-vmm.ts";

const never = new AbortController().signal;
const { clock, files, host } = realPlatform;
const architecture = host.architecture ?? "amd64";
const writesWithinMs = 20_000;

const installed = await findFirecracker(realPlatform).catch(describeError);
const found = await findTestImage(architecture);
const opensKvm = await files.open("/dev/kvm", "update").then(
  (file) => file.close().then(() => true),
  () => false,
);

async function whyNotProven(): Promise<string | false> {
  if (typeof installed !== "object") return installed ?? "no firecracker is on PATH";
  if ("skip" in found) return found.skip;
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const options = { architecture, home: home.path, signal: never };
  const finding = await firecrackerBackend.examine(realPlatform, options);
  return finding.kind === "unusable" ? `not proven on this machine: ${finding.why}` : false;
}

/** A subject whose guest is Kelpie's Linux, or one of some bytes. */
async function open(kernel?: Buffer): Promise<VmmSubject> {
  if (typeof installed !== "object") throw new TypeError("skipped");
  const home = await files.temporaryDirectory("kelpie-fc-");
  const vmm = firecrackerVmm(realPlatform, installed, home.path);
  const subject = await vmmSubject(vmm, kernel === undefined ? linux() : writeImage(home.path, kernel));
  return {
    ...subject,
    async [Symbol.asyncDispose]() {
      await subject[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

function linux(): BootImage {
  if ("skip" in found) throw new TypeError("skipped");
  return found.image;
}

function writeImage(directory: string, kernel: Buffer): BootImage {
  const at = (name: string): string => join(directory, name);
  const image: BootImage = { architecture, rootfs: at("rootfs"), kernel: at("kernel"), initrd: at("initrd") };
  writeFileSync(image.kernel, kernel);
  writeFileSync(image.initrd, "what the initrd says");
  writeFileSync(image.rootfs, Buffer.alloc(1 << 20, "root"));
  return image;
}

/** Waits until the console holds what is looked for, and returns all of it. */
async function untilWritten(machine: VirtualMachine, pattern: RegExp): Promise<string> {
  using patience = clock.deadline(writesWithinMs, "The guest's words");
  for (;;) {
    const { console, monitorOutput } = await machine.diagnose();
    if (pattern.test(console.text())) return console.text();
    assert.equal(machine.state.kind, "running", monitorOutput);
    await clock.sleep(10, patience.signal);
  }
}

describeVmm("Firecracker", () => open(), await whyNotProven());

const skip =
  typeof installed !== "object"
    ? (installed ?? "no firecracker is on PATH")
    : architecture !== "amd64"
      ? "the guest is for amd64"
      : opensKvm
        ? false
        : "/dev/kvm does not open";

test("a guest has its command line, initrd and console by an installed Firecracker, and ends its machine by a reset", {
  skip,
}, async () => {
  await using subject = await open(tinyKernel());
  const spec = await specOf(subject, { agentPorts: 3, hostname: "tiny", diskBytes: 2 << 20 });
  await using machine = await subject.vmm.start(spec, never);
  assert.deepEqual(await machine.stopped, { kind: "guest-reset" }, (await machine.diagnose()).monitorOutput);
  const [commandLine = "", last] = (await machine.diagnose()).console.lastLines(2);
  assert.equal(last, "what the initrd says");
  const ours = "kelpie.hostname=tiny kelpie.ports=3 reboot=k kelpie.poweroff=reset";
  assert.match(commandLine, new RegExp(`^console=ttyS0 quiet root=LABEL=kelpie-root .*${ours} pci=off`));
  // A disk, a socket device and randomness.
  assert.equal(commandLine.match(/virtio_mmio\.device=/g)?.length, 3, commandLine);
  assert.deepEqual(await processesOf(spec.runDirectory), []);
});

test("an installed Firecracker's machine stands while it is paused, and goes on", { skip }, async () => {
  await using subject = await open(tinyKernel("ticks"));
  await using machine = await subject.vmm.start(await specOf(subject), never);
  await untilWritten(machine, /says\n\.\./);
  await machine.pause();
  const before = (await machine.diagnose()).console.text().length;
  await clock.sleep(300);
  assert.equal((await machine.diagnose()).console.text().length, before);
  await machine.resume();
  using patience = clock.deadline(writesWithinMs, "The guest's next words");
  while ((await machine.diagnose()).console.text().length === before) await clock.sleep(10, patience.signal);
  await machine.kill();
  assert.deepEqual(await machine.stopped, { kind: "host-request" });
});

test("machines of an installed Firecracker are restored from one that was saved, each with a disk and a socket of its own", {
  skip,
}, async () => {
  await using subject = await open(tinyKernel("ticks"));
  const { vmm } = subject;
  const template = await subject.newDirectory();
  const saved: SavedMachine = {
    memory: join(template, "memory"),
    state: join(template, "state"),
    disk: join(template, "disk"),
  };
  {
    const origin = { kind: "boot-to-save", memory: saved.memory, disk: saved.disk } as const;
    await using machine = await vmm.start(await specOf(subject, { origin }), never);
    await untilWritten(machine, /says\n\.\./);
    await machine.save(saved.state, never);
  }
  const origin = { kind: "restore", saved } as const;
  const specs = [await specOf(subject, { origin }), await specOf(subject, { origin })];
  await using stack = new AsyncDisposableStack();
  for (const spec of specs) {
    const machine = stack.use(await vmm.start(spec, never));
    // It goes on in its loop: what it wrote before was another's.
    assert.match(await untilWritten(machine, /\.\./), /^\.+$/);
    assert.ok((await files.stat(join(spec.runDirectory, "vsock"))) !== undefined);
    const disk = join(spec.runDirectory, "root.ext4");
    assert.ok((await files.readFile(disk, 2 << 20)).length === 1 << 20);
    assert.notEqual((await files.stat(disk))?.inode, (await files.stat(saved.disk))?.inode);
  }
});

test("what an installed Firecracker refuses is told in its words, and the directory is good for another start", {
  skip,
}, async () => {
  await using subject = await open(tinyKernel());
  const spec = await specOf(subject);
  const absent = { ...spec.image, initrd: "/no-such-initrd" };
  const words = /Firecracker refused PUT \/boot-source.*initrd file cannot be opened.*No such file/s;
  await assert.rejects(subject.vmm.start({ ...spec, image: absent }, never), (error: Error) => {
    assert.match(describeError(error), words);
    return true;
  });
  await using again = await subject.vmm.start(spec, never);
  assert.deepEqual(await again.stopped, { kind: "guest-reset" });
});

test("a kept machine of an installed Firecracker goes on without its creator, is paused from elsewhere, and ends when it is killed", {
  skip,
}, async () => {
  await using subject = await open(tinyKernel("ticks"));
  const keep = { startWithinSeconds: 60, removeAtEnd: false };
  const spec = await specOf(subject, { keep });
  {
    await using machine = await subject.vmm.start(spec, never);
    await machine.release();
  }
  await using attached = await attachMachine(realPlatform, "firecracker", spec.runDirectory);
  assert.deepEqual(await attached.status(), { kind: "running" });
  await attached.pause();
  assert.deepEqual(await attached.status(), { kind: "paused" });
  await attached.resume();
  assert.deepEqual(await attached.status(), { kind: "running" });
  // A guest without a driver for its socket device does not answer, and whoever waits may give up.
  await assert.rejects(attached.connectAgent(0, AbortSignal.timeout(500)));
  await attached.kill();
  assert.deepEqual(await attached.stopped, { kind: "host-request" });
});
