// Who QEMU runs as, on hosts of every kind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileStatus, type Platform, realPlatform } from "@kelpie/platform";
import type { VmSpec } from "../vmm.ts";
import { carrierOptions } from "./agent-carrier.ts";
import { byDescriptor } from "./handed-files.ts";
import { qemuIdentity } from "./identity.ts";

const image = {
  architecture: "amd64",
  rootfs: "/i/rootfs",
  kernel: "/i/kernel",
  initrd: "/i/initrd",
} as const;
const spec: VmSpec = {
  ...{ image, memoryMiB: 64, cpus: 1, agentPorts: 1, hostname: "a", runDirectory: "/r" },
};
const directories = [{ name: "tree", path: "/t", readOnly: true }];
const all = "0 0 4294967295\n";

interface HostOf {
  readonly uid?: number;
  readonly map?: string;
  readonly modes?: Readonly<Record<string, Partial<FileStatus>>>;
}

function hostOf({ uid = 0, map = all, modes = {} }: HostOf): Platform {
  return {
    ...realPlatform,
    host: { ...realPlatform.host, operatingSystem: "linux", uid },
    random: { ...realPlatform.random, bytes: () => Uint8Array.of(1, 2, 3) },
    files: {
      ...realPlatform.files,
      stat: (path) => Promise.resolve({ mode: 0o644, uid: 0, gid: 0, ...modes[path] } as FileStatus),
      readFile: () => Promise.resolve(Buffer.from(map)),
    },
  };
}

const user = { kind: "unprivileged", uid: 0x6b010203, gid: 0x6b656c70, groups: [] };
const rows: readonly (readonly [
  what: string,
  host: HostOf,
  spec: Partial<VmSpec>,
  kvm: boolean,
  who: unknown,
])[] = [
  ["root's machine", {}, {}, false, user],
  ["an ordinary user's machine", { uid: 1000 }, {}, false, { kind: "own" }],
  ["a machine with root's directory by 9p", {}, { ninepDirectories: directories }, false, /^\/t is root's/],
  [
    "a machine with a user's directory by 9p",
    { modes: { "/t": { uid: 1000, gid: 100 } } },
    { ninepDirectories: directories },
    false,
    { kind: "unprivileged", uid: 1000, gid: 100, groups: [0x6b656c70] },
  ],
  [
    "a machine with a user's directory by 9p whose group is root's, and KVM for a group",
    { modes: { "/t": { uid: 1000 }, "/dev/kvm": { mode: 0o660, gid: 107 } } },
    { ninepDirectories: directories },
    true,
    { ...user, uid: 1000, groups: [107] },
  ],
  [
    "a machine with two users' directories by 9p",
    { modes: { "/t": { uid: 1000 }, "/u": { uid: 1001 } } },
    { ninepDirectories: [...directories, { name: "other", path: "/u", readOnly: false }] },
    false,
    /^\/t and \/u are not one user's/,
  ],
  [
    "a machine with 9p for a user whom this container has not",
    { map: "0 100000 65536\n", modes: { "/t": { uid: 70_000 } } },
    { ninepDirectories: directories },
    false,
    /no users beyond/,
  ],
  [
    "a machine with vsock",
    {},
    { carrier: "vsock", vsockDevice: { kind: "vhost-vsock", socat: "/s" } },
    false,
    user,
  ],
  [
    "a kernel that is root's alone",
    { modes: { "/i/kernel": { mode: 0o600 } } },
    {},
    false,
    /read \/i\/kernel/,
  ],
  ["a container of few users", { map: "0 100000 65536\n" }, {}, false, /no users beyond/],
  ["KVM for all", { modes: { "/dev/kvm": { mode: 0o666 } } }, {}, true, user],
  [
    "KVM for a group",
    { modes: { "/dev/kvm": { mode: 0o660, gid: 107 } } },
    {},
    true,
    { ...user, groups: [107] },
  ],
  ["KVM for root", { modes: { "/dev/kvm": { mode: 0o660 } } }, {}, true, /kvm is root's alone/],
];
for (const [what, host, changed, kvm, who] of rows) {
  test(`who runs ${what}`, async () => {
    const found = await qemuIdentity(hostOf(host), { ...spec, ...changed }, kvm ? "kvm" : "tcg");
    if (!(who instanceof RegExp)) assert.deepEqual(found, who);
    else assert.ok(found.kind === "root" && who.test(found.reason), JSON.stringify(found));
  });
}

test("every file of a machine is handed by a descriptor, and no path is left", () => {
  const saved = { memory: "/t/memory", state: "/t/state", disk: "/t/disk" };
  const reached = byDescriptor({ ...spec, origin: { kind: "restore", saved } }, "/r/overlay");
  assert.deepEqual(
    reached.handed.map(({ path, access }) => `${path} ${access}`),
    [
      "/i/rootfs read",
      "/i/kernel read",
      "/i/initrd read",
      "/t/memory read",
      "/t/disk read",
      "/r/overlay update",
    ],
  );
  assert.deepEqual(reached.sets, [4, 8, 9]);
  assert.equal(reached.overlay, "/dev/fdset/9");
  assert.deepEqual(reached.spec.image, {
    ...image,
    rootfs: "/dev/fdset/4",
    kernel: "/proc/self/fd/5",
    initrd: "/proc/self/fd/6",
  });
  const { origin } = reached.spec;
  assert.deepEqual(origin?.kind === "restore" ? origin.saved : undefined, {
    memory: "/proc/self/fd/7",
    disk: "/dev/fdset/8",
    state: "/t/state",
  });
});

test("a served directory, the kernel's vsock device and a vsock daemon's program are handed too", () => {
  const kernels = byDescriptor(
    { ...spec, ninepDirectories: directories, vsockDevice: { kind: "vhost-vsock", socat: "/s" } },
    "/o",
  );
  assert.deepEqual(
    kernels.handed.map(({ path, access }) => `${path} ${access}`),
    ["/i/rootfs read", "/i/kernel read", "/i/initrd read", "/t read", "/dev/vhost-vsock update", "/o update"],
  );
  assert.deepEqual(kernels.spec.ninepDirectories, [
    { name: "tree", path: "/proc/self/fd/7", readOnly: true },
  ]);
  assert.equal(kernels.vhostVsock, 8);
  assert.deepEqual(carrierOptions({ ...kernels.spec, carrier: "vsock" }, 77, kernels.vhostVsock), [
    ["-device", "vhost-vsock-pci,guest-cid=77,vhostfd=8"],
  ]);
  const daemons = byDescriptor({ ...spec, vsockDevice: { kind: "vhost-user-vsock", daemon: "/d" } }, "/o");
  assert.deepEqual(daemons.spec.vsockDevice, { kind: "vhost-user-vsock", daemon: "/proc/self/fd/7" });
  assert.equal(daemons.vhostVsock, undefined);
});
