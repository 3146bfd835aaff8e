// How a machine starts and ends: each test has machines of its own.

import assert from "node:assert/strict";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { startGuest } from "../../templates/start-guest.ts";
import { ownPorts } from "../../lifecycle/agent-ports.ts";
import { attachMachine } from "../../vmm/backends.ts";
import type { VmmCapabilities } from "../../vmm/capabilities.ts";
import type { VmSpec } from "../../vmm/vmm.ts";
import { type Behaviour, needs, needsLinux } from "./behaviour.ts";
import { answering, clientOf, output, processesOf, specOf } from "./subject.ts";

const { clock, files, processes } = realPlatform;
const never = new AbortController().signal;
const goneWithinMs = 10_000;

export const lives: readonly Behaviour<undefined>[] = [
  {
    name: "a machine that is disposed leaves no process, and says that it was asked",
    async check(_, subject) {
      const spec = await specOf(subject);
      await using running = await answering(subject, spec);
      const { machine } = running;
      await machine[Symbol.asyncDispose]();
      assert.deepEqual(await machine.stopped, { kind: "host-request" });
      assert.equal(machine.state.kind, "stopped");
      assert.deepEqual(await processesOf(spec.runDirectory), []);
      await assert.rejects(machine.connectAgent(0, AbortSignal.timeout(1000)));
      // Once more is no harm.
      await machine[Symbol.asyncDispose]();
      await machine.kill();
    },
  },
  {
    name: "a guest that powers itself off stops its machine",
    notFor: (_, guest) => needsLinux(guest),
    async check(_, subject) {
      const spec = await specOf(subject);
      await using running = await answering(subject, spec);
      await running.agent.shutdown({ signal: AbortSignal.timeout(20_000) });
      const { kind } = await running.machine.stopped;
      assert.ok(kind === "guest-shutdown" || kind === "guest-reset", kind);
      assert.deepEqual(await processesOf(spec.runDirectory), []);
    },
  },
  {
    name: "a monitor that is killed from outside is told by its exit",
    async check(_, subject) {
      const spec = await specOf(subject);
      await using running = await answering(subject, spec);
      for (const pid of await processesOf(spec.runDirectory)) processes.signal(pid, "SIGKILL");
      const reason = await running.machine.stopped;
      assert.equal(reason.kind, "process-exited", reason.kind);
      assert.equal(running.machine.state.kind, "stopped");
    },
  },
  {
    name: "a start that is given up leaves no process",
    async check(_, subject) {
      const spec = await specOf(subject);
      const controller = new AbortController();
      const starting = subject.vmm.start(spec, controller.signal);
      controller.abort();
      await assert.rejects(starting, fails("cancelled"));
      await untilGone(spec.runDirectory);
    },
  },
  {
    name: "a start without one of its files fails, and leaves no process",
    async check(_, subject) {
      for (const what of ["rootfs", "kernel"] as const) {
        const spec = await specOf(subject);
        const image = { ...spec.image, [what]: `${spec.runDirectory}/absent` };
        await assert.rejects(subject.vmm.start({ ...spec, image }, never), fails("boot-failed", "not-found"));
        await untilGone(spec.runDirectory);
      }
    },
  },
  {
    name: "two machines of one image are strangers to each other",
    notFor: (_, guest) => needsLinux(guest),
    async check(_, subject) {
      await using one = await answering(subject, await specOf(subject));
      await using two = await answering(subject, await specOf(subject));
      await output(one.agent, "echo one >/root/whose; sync");
      assert.equal(await output(two.agent, "cat /root/whose 2>/dev/null || echo nobody"), "nobody");
    },
  },
  {
    name: "what the monitor cannot is refused before anything starts, and told with its name",
    async check(_, subject) {
      const { vmm } = subject;
      for (const [what, demand] of beyond(vmm.capabilities)) {
        const spec = { ...(await specOf(subject)), ...demand };
        await assert.rejects(vmm.start(spec, never), (error) => {
          assert.ok(KelpieError.is(error), String(error));
          assert.equal(error.code, "unsupported", what);
          assert.match(error.message, new RegExp(`monitor ${vmm.name} cannot`));
          return true;
        });
        assert.deepEqual(await files.list(spec.runDirectory), []);
      }
    },
  },
  {
    name: "machines are restored from one that was saved, and each is its own",
    notFor: (capabilities, guest) => needs("restores")(capabilities) ?? needsLinux(guest),
    async check(_, subject) {
      const home = await subject.newDirectory();
      const { vmm } = subject;
      await using stack = new AsyncDisposableStack();
      const instances: string[] = [];
      for (let round = 0; round < 3; round++) {
        const spec = { ...(await specOf(subject)), hostname: `guest-${round}` };
        const start = "warm" as const;
        const options = { platform: realPlatform, vmm, home, spec, ports: ownPorts, start };
        const guest = stack.use(await startGuest({ ...options, bootTimeoutMs: 120_000, signal: never }));
        assert.equal(guest.start.kind === "warm" && guest.start.made === undefined, round > 0);
        const random = await output(guest.agent, "head -c 16 /dev/urandom | od -An -tx1; uname -n");
        assert.match(random, new RegExp(`guest-${round}$`));
        instances.push(random.split("\n")[0] ?? "", (await guest.agent.info()).instanceId);
      }
      assert.equal(new Set(instances).size, instances.length);
    },
  },
  {
    name: "what a saved machine depends on is the same text for the same shape, and another for another",
    notFor: needs("restores"),
    async check(_, subject) {
      const key = async (rest: Partial<VmSpec>): Promise<string | undefined> =>
        subject.vmm.stateKey?.(await specOf(subject, rest));
      const first = await key({});
      assert.ok(first !== undefined);
      assert.equal(await key({ hostname: "another" }), first);
      assert.notEqual(await key({ memoryMiB: 256 }), first);
      assert.notEqual(await key({ cpus: 2 }), first);
    },
  },
  {
    name: "a machine that is kept goes on without its creator, is found again, and ends when it is killed",
    notFor: needs("keeps"),
    async check(_, subject) {
      const keep = { startWithinSeconds: 120, removeAtEnd: false };
      const spec = await specOf(subject, { keep });
      const { name } = subject.vmm;
      {
        await using creator = await answering(subject, spec);
        await creator.machine.release();
      }
      await using attached = await attachMachine(realPlatform, name, spec.runDirectory);
      {
        await using agent = clientOf(attached);
        await agent.ping({ signal: AbortSignal.timeout(20_000) });
      }
      assert.deepEqual(await attached.status(), { kind: "running" });
      await attached.pause();
      assert.deepEqual(await attached.status(), { kind: "paused" });
      await attached.resume();
      assert.deepEqual(await attached.status(), { kind: "running" });
      await attached.kill();
      assert.deepEqual(await attached.stopped, { kind: "host-request" });
      await untilGone(spec.runDirectory);
      await assert.rejects(attachMachine(realPlatform, name, spec.runDirectory), fails("guest-lost"));
    },
  },
];

/** Demands that `capabilities` exclude, each alone. */
function beyond(capabilities: VmmCapabilities): [what: string, demand: Partial<VmSpec>][] {
  const directory = [{ name: "tree", path: "/tmp", readOnly: true }];
  const { keeps, restores, plugs, sharesDirectories, carriers } = capabilities;
  const saved = { memory: "/absent", state: "/absent", disk: "/absent" };
  const all: [can: boolean, what: string, demand: Partial<VmSpec>][] = [
    [keeps, "keep", { keep: { startWithinSeconds: 60, removeAtEnd: true } }],
    [restores, "restore", { origin: { kind: "restore", saved } }],
    [plugs.includes("9p"), "9p", { ninepDirectories: directory }],
    [plugs.includes("virtiofs"), "virtiofs", { sharedMemory: true }],
    [sharesDirectories, "shared directories", { sharedDirectories: directory }],
    [carriers.includes("vsock"), "vsock", { carrier: "vsock" }],
    [carriers.includes("virtio-serial"), "virtio-serial", { carrier: "virtio-serial" }],
  ];
  return all.filter(([can]) => !can).map(([, what, demand]) => [what, demand]);
}

async function untilGone(runDirectory: string): Promise<void> {
  const deadline = clock.monotonicMs() + goneWithinMs;
  while ((await processesOf(runDirectory)).length > 0) {
    assert.ok(clock.monotonicMs() < deadline, `processes are left of ${runDirectory}`);
    await clock.sleep(20);
  }
}

const fails =
  (...codes: KelpieErrorCode[]) =>
  (error: unknown) =>
    KelpieError.is(error) && codes.includes(error.code);
