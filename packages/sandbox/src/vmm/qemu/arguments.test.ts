// QEMU's command line as data.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmOrigin, VmSpec } from "../vmm.ts";
import { type QemuSetting, qemuOptions } from "./arguments.ts";
import { flatten } from "./option.ts";
import { kernelCommandLine } from "../kernel-command-line.ts";

const spec: VmSpec = {
  image: { architecture: "amd64", rootfs: "/i/rootfs.ext4", kernel: "/i/vmlinuz", initrd: "/i/initrd" },
  memoryMiB: 256,
  cpus: 2,
  agentPorts: 2,
  hostname: "kelpie",
  runDirectory: "/r",
};
const setting: QemuSetting = {
  accelerator: "tcg",
  firmware: undefined,
  overlay: "/r/root.qcow2",
  isKept: false,
  descriptorSets: [],
  seccomp: true,
  guestCid: 3,
};
const value = (
  name: string,
  changed: Partial<VmSpec> = {},
  set: Partial<QemuSetting> = {},
): string | undefined =>
  qemuOptions({ ...spec, ...changed }, { ...setting, ...set }).find(([option]) => option === name)?.[1];

test("an amd64 guest without hardware virtualisation is an emulated q35 with a processor of a fixed model", () => {
  assert.match(value("-machine") ?? "", /^q35,/);
  assert.match(value("-accel") ?? "", /^tcg,/);
  assert.equal(value("-cpu"), "Nehalem");
  assert.match(value("-append") ?? "", /^console=ttyS0 .*no_timer_check/);
});

test("an arm64 guest is a virt with a cortex-a72 and the console that it has", () => {
  const image = { ...spec.image, architecture: "arm64" as const };
  assert.match(value("-machine", { image }) ?? "", /^virt,/);
  assert.equal(value("-cpu", { image }), "cortex-a72");
  assert.match(value("-append", { image }) ?? "", /^console=ttyAMA0 /);
  assert.doesNotMatch(value("-append", { image }) ?? "", /tsc/);
});

test("with hardware virtualisation the processor is the host's and its timers are trusted", () => {
  for (const accelerator of ["kvm", "hvf"] as const) {
    assert.equal(value("-accel", {}, { accelerator }), accelerator);
    assert.equal(value("-cpu", {}, { accelerator }), "host");
    assert.doesNotMatch(value("-append", {}, { accelerator }) ?? "", /no_timer_check/);
  }
});

test("a guest gets no network, no display and no device that is not named", () => {
  const names = flatten(qemuOptions(spec, setting)).join(" ");
  assert.match(names, /-nodefaults -no-user-config -display none -no-reboot/);
  assert.doesNotMatch(names, /-netdev|-nic|-net |-vnc|-usb|-virtfs|-fsdev/);
});

test("QEMU is confined where it can be", () => {
  assert.match(value("-sandbox") ?? "", /^on,.*spawn=deny/);
  assert.equal(value("-sandbox", {}, { seccomp: false }), undefined);
});

test("the image is only ever read, and writes go to the overlay", () => {
  const disk = JSON.parse(value("-blockdev") ?? "") as Record<string, Record<string, unknown>>;
  assert.deepEqual(disk["file"], { driver: "file", filename: "/r/root.qcow2" });
  assert.deepEqual(disk["backing"], {
    driver: "raw",
    "read-only": true,
    file: { driver: "file", filename: "/i/rootfs.ext4", "read-only": true },
  });
});

test("each agent port has its own socket and the name that the guest looks for", () => {
  const options = qemuOptions({ ...spec, agentPorts: 3 }, setting).map(([, option]) => option ?? "");
  for (const index of [0, 1, 2]) {
    assert.ok(options.includes(`socket,id=agent${index},path=vm/agent.${index},server=on,wait=off`));
    assert.ok(options.some((option) => option.endsWith(`chardev=agent${index},name=kelpie.agent.${index}`)));
  }
});

test("a comma in a path stays in its option", () => {
  const saved = { memory: "/a,b/memory", state: "/a,b/state", disk: "/a,b/disk" };
  const options = qemuOptions({ ...spec, origin: { kind: "restore", saved } }, setting);
  assert.ok(options.some(([, option]) => option?.includes("mem-path=/a,,b/memory,") === true));
});

test("descriptors that QEMU is handed become sets of their number", () => {
  const options = qemuOptions(spec, { ...setting, descriptorSets: [4, 6] });
  const sets = options.filter(([name]) => name === "-add-fd").map(([, option]) => option);
  assert.deepEqual(sets, ["fd=4,set=4", "fd=6,set=6"]);
});

test("the kernel's command line says what the contract asks for", () => {
  const options = { architecture: "arm64", accelerator: "kvm", hostname: "box", agentPorts: 2 } as const;
  const words = kernelCommandLine({ ...options, withoutInitrd: false });
  for (const word of ["root=LABEL=kelpie-root", "rw", "panic=-1", "kelpie.hostname=box", "kelpie.ports=2"]) {
    assert.ok(words.includes(word), word);
  }
  const direct = kernelCommandLine({ ...options, withoutInitrd: true });
  assert.deepEqual(
    direct.filter((word) => word.startsWith("root")),
    ["root=/dev/vda", "rootfstype=ext4"],
  );
});

test("a kernel that mounts the root by itself is given no initrd", () => {
  const image = { ...spec.image, withoutInitrd: true };
  assert.equal(value("-initrd"), "/i/initrd");
  assert.equal(value("-initrd", { image }), undefined);
  assert.match(value("-append", { image }) ?? "", / root=\/dev\/vda /);
});

test("a machine that is to be saved has its memory in a file, and a restored one a copy of its own", () => {
  const saved = { memory: "/t/memory", state: "/t/state", disk: "/t/disk" };
  const toSave: VmOrigin = { kind: "boot-to-save", memory: saved.memory, disk: saved.disk };
  assert.match(value("-machine", { origin: toSave }) ?? "", /,memory-backend=ram$/);
  const memory = (origin: VmOrigin): string[] =>
    qemuOptions({ ...spec, origin }, setting).flatMap(([, option]) =>
      option?.startsWith("memory-backend-file") === true ? [option] : [],
    );
  assert.deepEqual(memory(toSave), ["memory-backend-file,id=ram,size=256M,mem-path=/t/memory,share=on"]);
  assert.deepEqual(memory({ kind: "restore", saved }), [
    "memory-backend-file,id=ram,size=256M,mem-path=/t/memory,share=off",
  ]);
  assert.equal(value("-incoming", { origin: { kind: "restore", saved } }), "defer");
  assert.deepEqual(memory({ kind: "boot" }), []);
});

test("a restored machine's layer lies over the saved one, which is only ever read", () => {
  const saved = { memory: "/t/memory", state: "/t/state", disk: "/t/disk" };
  const text = value("-blockdev", { origin: { kind: "restore", saved } }) ?? "";
  const { backing } = JSON.parse(text) as { backing: Record<string, unknown> };
  assert.equal(backing["read-only"], true);
  assert.deepEqual(backing["file"], { driver: "file", filename: "/t/disk", "read-only": true });
  assert.match(JSON.stringify(backing["backing"]), /rootfs\.ext4/);
});

test("a machine under a keeper listens for its controllers, and nothing of its saved state depends on that", () => {
  const options = qemuOptions(spec, { ...setting, isKept: true }).map((option) => option.join(" "));
  assert.ok(options.includes("-chardev socket,id=control,path=vm/control,server=on,wait=off"));
  assert.ok(options.includes("-mon chardev=events,mode=control"));
  const devices = (all: readonly string[]): string[] => all.filter((option) => option.startsWith("-device"));
  const tied = qemuOptions(spec, setting).map((option) => option.join(" "));
  assert.deepEqual(devices(options), devices(tied));
});
