// The calls that make a machine, against what the header and libkrun's source say of their order and values.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bootPlan, functionsOf } from "./boot-plan.ts";
import { type KrunSettings, readKrunSettings } from "./settings.ts";
import { someSettings as settings } from "./testing/some-settings.ts";

test("a machine is its shape, kernel, serial console, disks and a vsock port, in an order that libkrun takes", () => {
  assert.deepEqual(
    bootPlan(settings).map(({ name, args }) => [name, ...args]),
    [
      ["krun_set_vm_config", 2, 512],
      ["krun_set_kernel", "/k/vmlinux", 1, "/k/initrd", "console=ttyS0"],
      ["krun_disable_implicit_console"],
      ["krun_add_serial_console_default", -1, 1],
      ["krun_add_disk2", "root", "/run/root.qcow2", 1, false],
      ["krun_disable_implicit_vsock"],
      ["krun_add_vsock", 0],
      ["krun_add_vsock_port2", 5123, "/run/agent", true],
    ],
  );
});

test("a kernel for arm64 is an uncompressed Image, and one that mounts its root has no initrd", () => {
  const plan = bootPlan({ ...settings, kernel: { path: "/k/Image", format: "raw" }, initrd: null });
  const kernel = plan.find(({ name }) => name === "krun_set_kernel");
  assert.deepEqual(kernel?.args, ["/k/Image", 0, null, "console=ttyS0"]);
});

test("directories are shared by their tags, and only a read-only one takes the newer call", () => {
  const directories = [
    { tag: "kelpie-share-0", path: "/src", readOnly: false },
    { tag: "kelpie-share-1", path: "/data", readOnly: true },
  ];
  const plan = bootPlan({ ...settings, directories });
  assert.deepEqual(
    plan.filter(({ name }) => name.startsWith("krun_add_virtiofs")).map(({ name, args }) => [name, ...args]),
    [
      ["krun_add_virtiofs", "kelpie-share-0", "/src"],
      ["krun_add_virtiofs3", "kelpie-share-1", "/data", 0, true],
    ],
  );
  assert.ok(functionsOf({ ...settings, directories }).has("krun_add_virtiofs3"));
  assert.ok(!functionsOf(settings).has("krun_add_virtiofs3"));
});

test("the guest never gets the host's network: the vsock device that has it is off before another is added", () => {
  const names = bootPlan(settings).map(({ name }) => name);
  assert.ok(names.indexOf("krun_disable_implicit_vsock") < names.indexOf("krun_add_vsock"));
});

const hostile: readonly (readonly [what: string, change: (good: KrunSettings) => unknown])[] = [
  ["no object", () => 7],
  ["nothing", () => undefined],
  ["a field too many", (good) => ({ ...good, also: 1 })],
  ["a field too few", ({ cpus: _, ...rest }) => rest],
  ["no processor", (good) => ({ ...good, cpus: 0 })],
  ["more processors than the call takes", (good) => ({ ...good, cpus: 256 })],
  ["half a processor", (good) => ({ ...good, cpus: 1.5 })],
  ["memory beyond any machine", (good) => ({ ...good, memoryMiB: 2 ** 32 })],
  ["negative memory", (good) => ({ ...good, memoryMiB: -1 })],
  ["a zero byte in a path", (good) => ({ ...good, initrd: "/initrd\0/etc/shadow" })],
  ["a zero byte in the command line", (good) => ({ ...good, commandLine: "quiet\0" })],
  ["a relative path", (good) => ({ ...good, initrd: "initrd" })],
  [
    "a kernel in a form that libkrun would guess at",
    (good) => ({ ...good, kernel: { path: "/k", format: "zstd" } }),
  ],
  ["a command line without end", (good) => ({ ...good, commandLine: "x".repeat(2049) })],
  [
    "a socket longer than an address",
    (good) => ({ ...good, vsock: { port: 5123, socket: `/${"x".repeat(103)}` } }),
  ],
  ["a port that means any", (good) => ({ ...good, vsock: { port: 0xffff_ffff, socket: "/s" } })],
  ["a tag with a slash", (good) => ({ ...good, directories: [{ tag: "a/b", path: "/", readOnly: false }] })],
  [
    "a tag longer than virtio-fs has",
    (good) => ({ ...good, directories: [{ tag: "a".repeat(37), path: "/", readOnly: false }] }),
  ],
  ["disks without end", (good) => ({ ...good, disks: Array.from({ length: 9 }, () => good.disks[0]) })],
  ["no library", (good) => ({ ...good, library: "" })],
];

for (const [what, change] of hostile) {
  test(`settings are refused with ${what}`, () => {
    assert.ok(readKrunSettings(JSON.parse(JSON.stringify(settings))) !== undefined);
    assert.equal(readKrunSettings(change(settings)), undefined);
  });
}
