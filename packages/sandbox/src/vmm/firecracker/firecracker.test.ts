// Firecracker as a monitor, against one that is played: each call held against the API's description, and each way to fail.

import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, type Platform, realPlatform } from "@kelpie/platform";
import { ownPorts } from "../../lifecycle/agent-ports.ts";
import { startGuest } from "../../templates/start-guest.ts";
import { templateFiles } from "../../templates/template-record.ts";
import { factFor, wrongWith } from "../../testing/firecracker/api-facts.ts";
import {
  openPlayedFirecracker,
  platformWith,
  writePlayedFirecracker,
  writePlayedImage,
} from "../../testing/firecracker/play-firecracker.ts";
import { answering, specOf, type VmmSubject, vmmSubject } from "../../testing/vmm-compliance/subject.ts";
import type { VmSpec } from "../vmm.ts";
import { FirecrackerApi } from "./api-client.ts";
import { firecrackerBackend } from "./backend.ts";
import { bootCalls, describeCall, restoreCall, saveCalls, stateCall } from "./calls.ts";

const { files } = realPlatform;
const never = new AbortController().signal;
const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

async function inWorld(use: (subject: VmmSubject, home: string) => Promise<void>): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const vmm = await openPlayedFirecracker(home.path, "played");
  await using subject = await vmmSubject(vmm, await writePlayedImage(home.path), "process");
  await use(subject, home.path);
}

async function callsOf({ runDirectory }: Pick<VmSpec, "runDirectory">): Promise<string[]> {
  const text = await readFile(`${runDirectory}/played-calls`, "utf8");
  return text.trim().split("\n");
}

const image = { rootfs: "/images/rootfs.ext4", kernel: "/images/vmlinuz", initrd: "/images/initrd" };
const shape = { memoryMiB: 512, cpus: 2, agentPorts: 16, hostname: "kelpie", runDirectory: "/run" };

for (const architecture of ["amd64", "arm64"] as const) {
  for (const withoutInitrd of [false, true]) {
    const spec: VmSpec = { ...shape, image: { ...image, architecture, withoutInitrd } };
    const what = `${architecture} ${withoutInitrd ? "without" : "with"} an initrd`;
    test(`every call for a machine of ${what} is one that the API's description has`, () => {
      const calls = [
        ...bootCalls(spec, "/cache/vmlinux"),
        ...saveCalls("/t/state", "/t/memory"),
        restoreCall("/t/state", "/t/memory"),
        stateCall("Resumed"),
        describeCall,
      ];
      for (const { method, path, body } of calls) {
        const fact = factFor(method, path) ?? assert.fail(`${method} ${path} is no call`);
        assert.equal(fact.body === undefined, body === undefined, path);
        if (fact.body !== undefined) assert.equal(wrongWith(body, fact.body), undefined, path);
      }
      const text = JSON.stringify(calls);
      assert.equal(text.includes("initrd_path"), !withoutInitrd);
      assert.equal(text.includes("reboot=k"), architecture === "amd64");
      assert.match(text, /console=ttyS0 /);
    });
  }
}

test("the played API refuses what the real one does", async () => {
  await inWorld(async (subject) => {
    const spec = await specOf(subject);
    await using machine = await subject.vmm.start(spec, never);
    assert.equal(machine.state.kind, "running");
    const api = new FirecrackerApi(realPlatform, `${spec.runDirectory}/api`);
    const refusals = [
      [{ method: "PUT", path: "/vsock", body: { guest_cid: 3, uds_path: "v" } }, /after starting/],
      [{ method: "PATCH", path: "/vm", body: { state: "Stopped" } }, /unknown variant/],
      [{ method: "PATCH", path: "/vm", body: { state: "Paused", now: true } }, /unknown field `now`/],
      [{ method: "PATCH", path: "/vm", body: {} }, /missing field `state`/],
      [
        { method: "PUT", path: "/snapshot/create", body: saveCalls("s", "m")[1]?.body ?? {} },
        /while running/,
      ],
      [restoreCall("s", "m"), /after starting/],
      [{ method: "PUT", path: "/sandbox", body: {} }, /Invalid request/],
    ] as const;
    for (const [call, words] of refusals) {
      await assert.rejects(api.call(call, never), fails("process-failed", words));
    }
    assert.deepEqual(await api.call(describeCall, never), {
      ...{ app_name: "Firecracker", id: "anonymous-instance", state: "Running", vmm_version: "1.17.0" },
    });
  });
});

test("a machine is made by its calls in order, and its disk is its own, as large as was asked", async () => {
  await inWorld(async (subject) => {
    const spec = await specOf(subject, { diskBytes: (3 << 20) + 1 });
    await using running = await answering(subject, spec);
    assert.equal(running.machine.state.kind, "running");
    assert.deepEqual(
      (await callsOf(spec)).map((line) => line.split(" ").slice(0, 2).join(" ")),
      ["/machine-config", "/boot-source", "/drives/root", "/vsock", "/entropy", "/actions"].map(
        (path) => `PUT ${path}`,
      ),
    );
    const disk = await readFile(`${spec.runDirectory}/root.ext4`);
    assert.equal(disk.length, (3 << 20) + 512);
    assert.ok(disk.subarray(0, 1 << 20).equals(await readFile(spec.image.rootfs)));
    assert.ok((await stat(`${spec.runDirectory}/root.ext4`)).blocks * 512 <= 64 << 10);
  });
});

test("machines are restored from one that was saved, each with a disk and a socket of its own", async () => {
  await inWorld(async (subject, home) => {
    await using stack = new AsyncDisposableStack();
    const { vmm } = subject;
    const memories: Buffer[] = [];
    for (let round = 0; round < 3; round++) {
      const spec = { ...(await specOf(subject)), hostname: `guest-${round}` };
      const options = { platform: realPlatform, vmm, home, spec, ports: ownPorts, start: "auto" as const };
      const guest = stack.use(await startGuest({ ...options, bootTimeoutMs: 20_000, signal: never }));
      assert.ok(guest.start.kind === "warm", JSON.stringify(guest.start));
      assert.equal(guest.start.made === undefined, round > 0);
      const calls = await callsOf(spec);
      assert.match(calls[0] ?? "", /^PUT \/snapshot\/load .*"resume_vm":true/);
      assert.deepEqual(calls.slice(1), [`agent is guest-${round}`]);
      await writeFile(`${spec.runDirectory}/root.ext4`, `written by ${round}`);
      memories.push(await readFile(`${home}/templates/${guest.start.template}/${templateFiles.disk}`));
    }
    assert.ok(memories.every((disk) => disk.subarray(0x2345).subarray(0, 4).toString() === "root"));
  });
});

test("a guest that ends its machine by itself is told from a monitor that crashes", async () => {
  await inWorld(async (subject) => {
    await using running = await answering(subject, await specOf(subject));
    await running.agent.shutdown({ signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    assert.deepEqual(await running.machine.stopped, { kind: "guest-reset" });
  });
});

test("what Firecracker refuses is told in its words, and nothing is left", async () => {
  await inWorld(async (subject) => {
    const spec = await specOf(subject);
    const absent = { ...spec, image: { ...spec.image, initrd: "/no-such-initrd" } };
    const words = /Firecracker refused PUT \/boot-source.*no-such-initrd/s;
    await assert.rejects(subject.vmm.start(absent, never), fails("boot-failed", words));
    {
      // What another start in the same directory would meet is gone.
      await using again = await answering(subject, spec);
      assert.equal(again.machine.state.kind, "running");
    }
    const many = subject.vmm.start({ ...spec, cpus: 33 }, never);
    await assert.rejects(many, fails("invalid-input", /at most 32.*33/));
  });
});

test("a program that is no Firecracker is not taken for one", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const program = `${home.path}/firecracker`;
  await writeFile(program, "#!/bin/sh\necho something else\n", { mode: 0o755 });
  const options = { architecture: "arm64", home: home.path, signal: never } as const;
  await assert.rejects(firecrackerBackend.open(platformWith(program), options), fails("process-failed"));
});

test("where the guests cannot run Firecracker is refused with the reason, and the doctor says so", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const platform = platformWith(await writePlayedFirecracker(home.path, "played"));
  const options = { architecture: "arm64", home: home.path, signal: never } as const;
  const hosts: readonly (readonly [Platform, RegExp])[] = [
    [{ ...platform, host: { ...platform.host, operatingSystem: "darwin" } }, /needs Linux's KVM/],
    [{ ...platform, host: { ...platform.host, architecture: "amd64" } }, /another kind of processor/],
    [withDevice(platform, "absent"), /there is no \/dev\/kvm/],
    [withDevice(platform, "closed"), /may not be opened/],
  ];
  for (const [host, reason] of hosts) {
    await assert.rejects(firecrackerBackend.open(host, options), fails("unsupported", reason));
    const finding = await firecrackerBackend.examine(host, options);
    assert.ok(finding.kind === "unusable" && reason.test(finding.why), JSON.stringify(finding));
  }
  const none = {
    ...platform,
    processes: { ...platform.processes, find: () => Promise.resolve(undefined) },
  };
  await assert.rejects(firecrackerBackend.open(none, options), fails("missing-tool"));
  assert.equal((await firecrackerBackend.examine(none, options)).kind, "missing");
  const usable = withDevice(none, "open");
  const onPath = { ...usable, processes: platform.processes };
  const noQemu = {
    ...onPath,
    processes: {
      ...onPath.processes,
      find: (name: string) =>
        name.startsWith("qemu") ? Promise.resolve(undefined) : platform.processes.find(name),
    },
  };
  assert.equal((await firecrackerBackend.examine(noQemu, options)).kind, "usable");
});

/** `platform` with a /dev/kvm that is not there, may not be opened, or opens. */
function withDevice(platform: Platform, device: "absent" | "closed" | "open"): Platform {
  const { files: real } = platform;
  const isDevice = (path: string): boolean => path === "/dev/kvm";
  return {
    ...platform,
    files: {
      ...real,
      stat: (path) =>
        isDevice(path)
          ? device === "absent"
            ? Promise.resolve(undefined)
            : real.stat("/dev/null")
          : real.stat(path),
      open: (path, mode, permissions) => {
        if (!isDevice(path)) return real.open(path, mode, permissions);
        return device === "open"
          ? real.open("/dev/null", "update")
          : Promise.reject(new KelpieError("permission-denied", "no"));
      },
    },
  };
}
