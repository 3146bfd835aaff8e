// QEMU supervised: each way in which a machine ends, with guests small enough to need no Linux.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import {
  openTinyQemu,
  skipWithoutTinyQemu,
  type TinyGuestEnd,
  writeTinyImage,
} from "../../testing/tiny-guest.ts";
import type { VirtualMachine, VmSpec } from "../vmm.ts";

const { files, clock, processes } = realPlatform;
const skip = await skipWithoutTinyQemu();
const never = new AbortController().signal;
const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

async function specFor(directory: string, end: TinyGuestEnd): Promise<VmSpec> {
  const runDirectory = `${directory}/run`;
  await files.makeDirectory(runDirectory);
  const image = await writeTinyImage(directory, end);
  return { image, memoryMiB: 64, cpus: 1, agentPorts: 2, hostname: "tiny", runDirectory };
}

async function withMachine(
  end: TinyGuestEnd,
  use: (machine: VirtualMachine, directory: string) => Promise<void>,
): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  await using machine = await vmm.start(await specFor(home.path, end), never);
  await use(machine, home.path);
}

test("a guest that powers off stops its machine, and its console is in the log and the file", {
  skip,
}, async () => {
  await withMachine("powers off", async (machine, directory) => {
    assert.deepEqual(await machine.stopped, { kind: "guest-shutdown" });
    assert.equal(machine.state.kind, "stopped");
    assert.equal((await machine.diagnose()).console.text(), "kelpie");
    const file = await files.readFile(`${directory}/run/console.log`, 1000);
    assert.equal(Buffer.from(file).toString(), "kelpie");
  });
});

test("a guest that resets itself stops its machine", { skip }, async () => {
  await withMachine("resets", async (machine) => {
    assert.deepEqual(await machine.stopped, { kind: "guest-reset" });
  });
});

test("disposing a running machine ends it, and no socket of QEMU's listens any more", { skip }, async () => {
  await withMachine("hangs", async (machine, directory) => {
    assert.equal(machine.state.kind, "running");
    const stream = await machine.connectAgent(0, never);
    stream.destroy();
    await machine[Symbol.asyncDispose]();
    assert.deepEqual(await machine.stopped, { kind: "host-request" });
    const socket = connect(`${directory}/run/vm/agent.0`);
    await assert.rejects(once(socket, "connect"));
  });
});

test("a QEMU that is killed from outside is told by its exit", { skip }, async () => {
  await withMachine("hangs", async (machine, directory) => {
    process.kill(await qemuOf(directory), "SIGKILL");
    const exit = { kind: "signalled", signal: "SIGKILL" };
    assert.deepEqual(await machine.stopped, { kind: "process-exited", exit });
  });
});

test("two machines share one image, which neither changes", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, "hangs");
  await files.setMode(spec.image.rootfs, 0o444);
  const second = { ...spec, runDirectory: `${home.path}/second` };
  await files.makeDirectory(second.runDirectory);
  await using first = await vmm.start(spec, never);
  await using other = await vmm.start(second, never);
  assert.deepEqual([first.state.kind, other.state.kind], ["running", "running"]);
});

test("what QEMU refuses is an error with QEMU's words", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, "hangs");
  // A directory is none.
  const initrd = home.path;
  await assert.rejects(
    vmm.start({ ...spec, image: { ...spec.image, initrd } }, never),
    fails("boot-failed", /exit code 1\n.*could not load initrd/s),
  );
});

test("an abort during the start leaves no QEMU", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const controller = new AbortController();
  const starting = vmm.start(await specFor(home.path, "hangs"), controller.signal);
  controller.abort();
  await assert.rejects(starting, fails("cancelled"));
  await assert.rejects(qemuOf(home.path));
});

test("a path too long for a socket is refused before anything starts", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const spec = await specFor(home.path, "hangs");
  const runDirectory = `${home.path}/${"x".repeat(100)}`;
  await assert.rejects(vmm.start({ ...spec, runDirectory }, never), fails("invalid-input", /socket/));
});

for (const whom of ["process", "process group"] as const) {
  test(`kill -9 of the host's ${whom} ends QEMU`, { skip }, async () => {
    await using home = await files.temporaryDirectory("kelpie-vmm-");
    const spec = await specFor(home.path, "hangs");
    const script = `
      import { openTinyQemu } from ${JSON.stringify(import.meta.resolve("../../testing/tiny-guest.ts"))};
      const vmm = await openTinyQemu(${JSON.stringify(home.path)});
      await vmm.start(${JSON.stringify(spec)}, new AbortController().signal);
      console.log("running");
    `;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      detached: true,
      cwd: import.meta.dirname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(owner.stdout, "data");
    const qemu = await qemuOf(home.path);
    const pid = owner.pid ?? assert.fail("the owner did not start");
    process.kill(whom === "process" ? pid : -pid, "SIGKILL");
    while (processes.isAlive(qemu)) await clock.sleep(20);
  });
}

/** The id of the QEMU that works below `directory`. */
async function qemuOf(directory: string): Promise<number> {
  for (const pid of await files.list("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await files.readFile(`/proc/${pid}/cmdline`, 100_000).catch(() => undefined);
    const text = line === undefined ? "" : Buffer.from(line).toString();
    const workingDirectory = await files.readLink(`/proc/${pid}/cwd`).catch(() => "");
    const isQemu = text.startsWith("/") && text.includes("qemu-system-aarch64\0");
    if (isQemu && workingDirectory.startsWith(`${directory}/`)) return Number(pid);
  }
  throw new KelpieError("not-found", `No QEMU runs for ${directory}`);
}

test("devices of every kind that needs no daemon are plugged into a running machine, one to a slot", {
  skip,
}, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const shared = { name: "tree", path: home.path, readOnly: true };
  const spec = { ...(await specFor(home.path, "hangs")), plugSlots: 4, ninepDirectories: [shared] };
  await using machine = await vmm.start(spec, never);
  const connected = Promise.withResolvers<Duplex>();
  const listener = await realPlatform.network.listenUnix(`${spec.runDirectory}/net`, connected.resolve);
  const path = `${spec.runDirectory}/disk`;
  await files.copyFile(spec.image.rootfs, path);
  const disk = { kind: "disk", name: "work", path, readOnly: true } as const;
  const mac = "52:54:00:6b:65:6c";
  const backends = [
    { kind: "socket", path: `${spec.runDirectory}/net` },
    { kind: "closed", publish: [{ hostAddress: "127.0.0.1", hostPort: 0, guestPort: 80 }] },
  ] as const;
  await machine.plug(disk);
  await machine.plug({ kind: "9p", name: "tree-device", tag: "tree", directory: "tree" });
  for (const [index, backend] of backends.entries())
    await machine.plug({ kind: "network", name: `net${index}`, mac, backend });
  (await connected.promise).destroy();
  await listener[Symbol.asyncDispose]();
  await assert.rejects(machine.plug({ ...disk, name: "more" }), fails("limit-exceeded"));
});

test("a device that QEMU refuses is told with its words", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const spec = { ...(await specFor(home.path, "hangs")), plugSlots: 1 };
  await using machine = await vmm.start(spec, never);
  const absent = {
    kind: "disk",
    name: "work",
    path: `${spec.runDirectory}/absent`,
    readOnly: false,
  } as const;
  await assert.rejects(machine.plug(absent), fails("process-failed", /No such file/));
});

const skipUnlessRoot =
  skip === false && (process.getuid?.() !== 0 || process.platform !== "linux")
    ? "only root has power to lose"
    : skip;

async function rightsOf(directory: string): Promise<Readonly<Record<string, string>>> {
  const status = await readFile(`/proc/${await qemuOf(directory)}/status`, "utf8");
  const field = (name: string): string =>
    new RegExp(`^${name}:[\\t ]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
  const names = ["Uid", "Gid", "Groups", "CapBnd", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp"];
  return Object.fromEntries(names.map((name) => [name, field(name)]));
}

test("a QEMU that root starts is a user of its own without any right, and gets none again", {
  skip: skipUnlessRoot,
}, async () => {
  const uids = new Set<string>();
  for (const origin of ["boot", "boot-to-save"] as const) {
    await using home = await files.temporaryDirectory("kelpie-vmm-");
    const vmm = await openTinyQemu(home.path);
    const spec = await specFor(home.path, "hangs");
    const saved = { memory: `${home.path}/memory`, disk: `${home.path}/disk` };
    await using machine = await vmm.start({ ...spec, origin: { kind: origin, ...saved } }, never);
    assert.equal(machine.state.kind, "running");
    const { Uid = "", Gid, Groups, ...rights } = await rightsOf(home.path);
    const [uid = ""] = Uid.split("\t");
    assert.ok(Number(uid) >= 0x6b000000 && Number(uid) <= 0x6bffffff, Uid);
    assert.equal(Uid, [uid, uid, uid, uid].join("\t"));
    assert.equal(Gid, new Array(4).fill(0x6b656c70).join("\t"));
    assert.equal(Groups, "");
    const none = "0000000000000000";
    const nothing = { CapBnd: none, CapPrm: none, CapEff: none, CapAmb: none };
    assert.deepEqual(rights, { ...nothing, NoNewPrivs: "1", Seccomp: "2" });
    uids.add(uid);
  }
  assert.equal(uids.size, 2);
});

test("a QEMU that serves 9p for root stays root, with no power but over files", {
  skip: skipUnlessRoot,
}, async () => {
  await using home = await files.temporaryDirectory("kelpie-vmm-");
  const vmm = await openTinyQemu(home.path);
  const shared = { name: "tree", path: home.path, readOnly: true };
  const spec = { ...(await specFor(home.path, "hangs")), ninepDirectories: [shared] };
  await using machine = await vmm.start(spec, never);
  assert.equal(machine.state.kind, "running");
  const { Uid, CapBnd, CapEff, NoNewPrivs, Seccomp } = await rightsOf(home.path);
  const chownOverrideAndOwner = "000000000000000b";
  assert.deepEqual(
    { Uid, CapBnd, CapEff, NoNewPrivs, Seccomp },
    {
      ...{ Uid: "0\t0\t0\t0", CapBnd: chownOverrideAndOwner, CapEff: chownOverrideAndOwner },
      ...{ NoNewPrivs: "1", Seccomp: "2" },
    },
  );
});
