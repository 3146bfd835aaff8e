// Which way a guest is started, with a monitor and an agent that are played here.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { ownPorts } from "../lifecycle/agent-ports.ts";
import { type FakeAgent, playAgent } from "../testing/fake-agent.ts";
import { PlayedMachine } from "../testing/played-machine.ts";
import { qemuCapabilities } from "../vmm/qemu/capabilities.ts";
import type { VirtualMachine, Vmm, VmSpec } from "../vmm/vmm.ts";
import { startGuest, type StartedGuest, type StartKind } from "./start-guest.ts";

const { files } = realPlatform;

/** Saves by writing a file, as the real one does. */
class SavableMachine extends PlayedMachine {
  override async save(state?: string): Promise<void> {
    await write(state ?? assert.fail("no path was given"), "state");
  }
}

async function write(path: string, text: string): Promise<void> {
  await using file = await files.open(path, "create");
  await file.write(Buffer.from(text), 0);
}

/** A monitor that keeps what it was asked to start. */
class PlayedMonitor implements Vmm {
  readonly name = "qemu";
  readonly capabilities = qemuCapabilities;
  readonly description = "played";
  readonly origins: string[] = [];
  readonly stateKey = (spec: VmSpec): Promise<string> => Promise.resolve(String(spec.memoryMiB));
  readonly #agent: FakeAgent;
  readonly #machine: typeof PlayedMachine;
  canRestore = true;

  constructor(agent: FakeAgent, machine: typeof PlayedMachine) {
    this.#agent = agent;
    this.#machine = machine;
  }

  async start({ origin }: VmSpec): Promise<VirtualMachine> {
    this.origins.push(origin?.kind ?? "boot");
    if (origin?.kind === "boot-to-save") {
      await write(origin.memory, "memory");
      await write(origin.disk, "disk");
    }
    if (origin?.kind === "restore" && !this.canRestore) {
      throw new KelpieError("boot-failed", "QEMU did not take the saved state");
    }
    return new this.#machine(this.#agent.open);
  }
}

interface World {
  readonly home: string;
  readonly monitor: PlayedMonitor;
  readonly resumed: { hostname: string; machineId: string; entropy: string }[];
  readonly start: (start?: StartKind, vmm?: Vmm) => Promise<StartedGuest>;
}

async function inWorld(machine: typeof PlayedMachine, use: (world: World) => Promise<void>): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-start-");
  const resumed: World["resumed"] = [];
  await using agent = playAgent({
    system: {
      prepareSnapshot: () => ({ processesFrozen: true }),
      resume: ({ hostname, machineId, entropy }) => {
        resumed.push({ hostname, machineId, entropy: Buffer.from(entropy).toString("hex") });
        return {};
      },
    },
    processes: {
      // The process that warms the guest up before it is saved.
      async *exec() {
        const exited = { case: "exited" as const, value: { status: { case: "code" as const, value: 0 } } };
        yield await Promise.resolve({ event: { event: exited } });
      },
    },
  });
  const image = {
    architecture: "amd64" as const,
    rootfs: join(home.path, "rootfs"),
    kernel: join(home.path, "kernel"),
    initrd: join(home.path, "initrd"),
  };
  for (const path of [image.rootfs, image.kernel, image.initrd]) await write(path, path);
  const monitor = new PlayedMonitor(agent, machine);
  const spec = { image, memoryMiB: 1, cpus: 1, agentPorts: 2, hostname: "box-1", runDirectory: home.path };
  const signal = new AbortController().signal;
  const options = {
    platform: realPlatform,
    home: home.path,
    spec,
    ports: ownPorts,
    bootTimeoutMs: 5000,
    signal,
  };
  const start = (kind: StartKind = "auto", vmm: Vmm = monitor): Promise<StartedGuest> =>
    startGuest({ ...options, vmm, start: kind });
  await use({ home: home.path, monitor, resumed, start });
}

test("the first start makes a template and restores it, and the next ones only restore", async () => {
  await inWorld(SavableMachine, async ({ monitor, resumed, start }) => {
    for (const expected of [/there was none/, undefined, undefined]) {
      await using guest = await start();
      assert.ok(guest.start.kind === "warm");
      if (expected === undefined) assert.equal(guest.start.made, undefined);
      else assert.match(guest.start.made ?? "", expected);
    }
    assert.deepEqual(monitor.origins, ["boot-to-save", "restore", "restore", "restore"]);
    assert.equal(resumed.length, 3);
    assert.deepEqual([...new Set(resumed.map(({ hostname }) => hostname))], ["box-1"]);
    assert.equal(new Set(resumed.map(({ machineId }) => machineId)).size, 3);
    assert.equal(new Set(resumed.map(({ entropy }) => entropy)).size, 3);
    for (const { entropy } of resumed) assert.equal(entropy.length, 128);
  });
});

test("however many start at once, one template is made", async () => {
  await inWorld(SavableMachine, async ({ monitor, start }) => {
    await using stack = new AsyncDisposableStack();
    await Promise.all(Array.from({ length: 6 }, async () => stack.use(await start())));
    assert.equal(monitor.origins.filter((origin) => origin === "boot-to-save").length, 1);
    assert.equal(monitor.origins.filter((origin) => origin === "restore").length, 6);
  });
});

test("a start that is asked to be cold boots, and has no reason to tell", async () => {
  await inWorld(SavableMachine, async ({ monitor, start }) => {
    await using guest = await start("cold");
    assert.ok(guest.start.kind === "cold");
    assert.equal(guest.start.reason, undefined);
    assert.deepEqual(monitor.origins, ["boot"]);
  });
});

test("where the machine cannot be saved the guest boots and says why, and nothing of the try is left", async () => {
  await inWorld(PlayedMachine, async ({ home, monitor, start }) => {
    await using guest = await start();
    assert.ok(guest.start.kind === "cold");
    assert.match(guest.start.reason ?? "", /no template could be made: A played machine cannot be saved/);
    assert.deepEqual(monitor.origins, ["boot-to-save", "boot"]);
    assert.deepEqual(await files.list(join(home, "templates")), []);
    await assert.rejects(start("warm"), (error) => KelpieError.is(error) && error.code === "unsupported");
  });
});

test("where the monitor cannot restore at all the guest boots and says so", async () => {
  await inWorld(SavableMachine, async ({ monitor, start }) => {
    const { name, capabilities, description } = monitor;
    const vmm: Vmm = { name, capabilities, description, start: (spec: VmSpec) => monitor.start(spec) };
    await using guest = await start("auto", vmm);
    assert.ok(guest.start.kind === "cold");
    assert.equal(guest.start.reason, "played cannot save and restore machines");
  });
});

test("a template that cannot be restored is thrown away, and the guest boots", async () => {
  await inWorld(SavableMachine, async ({ home, monitor, start }) => {
    monitor.canRestore = false;
    await using guest = await start();
    assert.ok(guest.start.kind === "cold");
    assert.match(guest.start.reason ?? "", /could not be restored: QEMU did not take the saved state/);
    assert.deepEqual(monitor.origins, ["boot-to-save", "restore", "boot"]);
    assert.deepEqual(await files.list(join(home, "templates")), []);
  });
});
