// What a guest tells of itself, in a real machine: what it is, how it is, what happens to it, and how its disk stands still
// and it goes down.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type AgentVm, bootAgentVm } from "../testing/agent-vm.ts";
import { readings, runOutput } from "../testing/output-memory.ts";
import { shellOutput } from "../testing/shell-output.ts";
import { findTestImage } from "../testing/test-image.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentState, type WatchEventsResponse } from "./gen/kelpie/agent/v1/agent_pb.ts";
import { PowerAction } from "./gen/kelpie/agent/v1/system_pb.ts";

const found = await findTestImage("amd64");

type Happening = WatchEventsResponse["event"];

/** The guest's events, one after another. */
class Events implements Disposable {
  readonly #left = new AbortController();
  readonly #events: AsyncIterator<WatchEventsResponse>;

  constructor(client: AgentClient, after?: bigint) {
    const request = after === undefined ? {} : { after };
    const signal = AbortSignal.any([this.#left.signal, AbortSignal.timeout(60_000)]);
    this.#events = client.agent.watchEvents(request, { signal })[Symbol.asyncIterator]();
  }

  /** Passes over events up to the first that fits. */
  async until(fits: (event: Happening) => boolean): Promise<Happening> {
    for (;;) {
      const step = await this.#events.next();
      assert.ok(step.done !== true, "the events ended");
      if (fits(step.value.event)) return step.value.event;
    }
  }

  [Symbol.dispose](): void {
    this.#left.abort();
  }
}

describe("a guest in a machine", { skip: "skip" in found ? found.skip : false, timeout: 180_000 }, () => {
  let vm: AgentVm;
  let client: AgentClient;
  before(async () => {
    assert.ok("image" in found);
    vm = await bootAgentVm(found.image, 2);
    client = vm.connect(0);
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    await vm[Symbol.asyncDispose]();
  });

  const shell = (script: string): Promise<string> => shellOutput(client, script);

  test("says what it is, and how it booted", async () => {
    const info = await client.info();
    const told = await shell(
      "uname -r; uname -m; cat /etc/kelpie-version; nproc; cat /proc/sys/kernel/random/boot_id",
    );
    const own = [info.kernelRelease, info.machine, info.imageVersion, info.cpus, info.bootId];
    assert.deepEqual(told.trim().split("\n"), own.map(String));
    assert.match(info.agentVersion, /^\d+\.\d+\.\d+$/);
    assert.ok(info.protocolRevision >= 2);
    for (const feature of ["cgroup", "freeze", "openat2", "pidfd", "pty"])
      assert.ok(info.features.includes(feature), feature);
    const steps = info.bootTrace.map(({ name }) => name);
    assert.deepEqual(steps.slice(-3), ["mounts", "agent", "agent ready"]);
    const times = info.bootTrace.map(({ endBootNs }) => endBootNs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => Number(a - b)),
    );
  });

  test("says how it is", async () => {
    const health = await client.agent.getHealth({});
    const root = health.disks.find(({ mountPoint }) => mountPoint === "/");
    assert.deepEqual([root?.type, health.state, health.agentRestarts], ["ext4", AgentState.READY, 0]);
    assert.ok(
      root !== undefined && root.availableBytes < root.totalBytes && root.inodesFree < root.inodesTotal,
    );
    const uptimeMs = Number(await shell("cut -d' ' -f1 /proc/uptime")) * 1000;
    assert.ok(Math.abs(uptimeMs - Number(health.uptimeMs)) < 5000);
    const { totalBytes = 0n, availableBytes = 0n } = health.memory ?? {};
    assert.ok(availableBytes > 32n << 20n && availableBytes < totalBytes && totalBytes < 256n << 20n);
    assert.equal(health.loadMilli.length, 3);
    assert.ok(health.processesTotal > 1 && health.sessions === 1);
  });

  test("tells of each end of a process, and again to whoever asks from a given one on", async () => {
    using events = new Events(client);
    await events.until(({ case: kind }) => kind === "started");
    const execution = client.exec({ argv: ["true"] });
    await execution.collect();
    await events.until((event) => event.case === "processEnded" && event.value.id === execution.id);
    using again = new Events(client, 0n);
    await again.until((event) => event.case === "processEnded" && event.value.id === execution.id);
  });

  test("tells of want of memory at once, and counts it", async () => {
    const before = (await client.agent.getHealth({})).oomKills;
    using events = new Events(client);
    await events.until(({ case: kind }) => kind === "started");
    // The look that a first watcher brings about is taken before anything is short.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const script = "head -c 100000000 /dev/zero | tail -c 90000000 > /dev/null";
    const execution = client.exec({ argv: ["sh", "-c", script], limits: { memoryBytes: 16 << 20 } });
    assert.deepEqual((await execution.collect()).end, {
      kind: "signalled",
      signal: 9,
      cause: "out-of-memory",
    });
    const startMs = performance.now();
    await events.until(({ case: kind }) => kind === "outOfMemory");
    assert.ok(performance.now() - startMs < 4000, `${performance.now() - startMs} ms later`);
    assert.ok((await client.agent.getHealth({})).oomKills > before);
  });

  test("tells when a disk or the memory gets short, and when it is not any more", async () => {
    using events = new Events(client);
    const small = { case: "tmpfs" as const, value: { sizeBytes: 1n << 20n } };
    await client.system.mount({ source: small, target: "/mnt/small" });
    const large = { case: "tmpfs" as const, value: { sizeBytes: 1n << 30n } };
    await client.system.mount({ source: large, target: "/mnt/large" });
    // All but a twentieth and some of what there is, in a few pieces: a page of a file costs more than its own.
    const fill = `set -- $(grep MemTotal /proc/meminfo); least=$(($2 / 22)); i=0
      while set -- $(grep MemAvailable /proc/meminfo); [ $2 -gt $least ]; do
        i=$((i+1)); head -c $((($2 - least) * 900 + 300000)) /dev/zero > /mnt/large/$i; done`;
    await shell(`head -c 1000000 /dev/zero > /mnt/small/full; ${fill}`);
    await untilBoth(events, true);
    await shell("rm -r /mnt/small/* /mnt/large/*");
    await untilBoth(events, false);
    for (const target of ["/mnt/small", "/mnt/large"]) await client.system.unmount({ target });
  });

  test("has its disk stand still, until it is told to go on or nobody is there to tell it", async () => {
    const { system } = client;
    const refused = (errno: string) => (error: unknown) =>
      error instanceof ConnectError && error.metadata.get("kelpie-errno") === errno;
    for (const thawAfterMs of [60_000, 500]) {
      await system.freezeFileSystem({ mountPoint: "/", thawAfterMs });
      const startMs = performance.now();
      let isWritten = false;
      const writing = shell("echo now > /root/written; sync; cat /root/written").then((text) => {
        isWritten = true;
        return text;
      });
      if (thawAfterMs > 1000) {
        await assert.rejects(
          system.freezeFileSystem({ mountPoint: "/" }),
          (error) => error instanceof ConnectError && error.code === Code.FailedPrecondition,
        );
        await new Promise((resolve) => setTimeout(resolve, 500));
        assert.equal(isWritten, false);
        await system.thawFileSystem({ mountPoint: "/" });
      }
      assert.equal(await writing, "now\n");
      assert.ok(performance.now() - startMs >= 400);
    }
    await assert.rejects(system.thawFileSystem({ mountPoint: "/" }), refused("EINVAL"));
    await assert.rejects(system.freezeFileSystem({ mountPoint: "/absent" }), refused("ENOENT"));
  });

  test("and its host grow by nothing that a process writes, however it is read", async () => {
    for (const reading of readings) {
      const { agentGrewBytes, hostGrewBytes } = await runOutput(client, 96 << 20, reading);
      assert.ok(agentGrewBytes <= 2 << 20, `the agent by ${agentGrewBytes}, read ${reading}`);
      assert.ok(hostGrewBytes <= 64 << 20, `the host by ${hostGrewBytes}, read ${reading}`);
    }
  });

  test("takes little memory after all of that", async () => {
    const { agentResidentBytes } = await client.agent.getHealth({});
    assert.ok(agentResidentBytes < 8n << 20n, `${agentResidentBytes} bytes are resident`);
  });

  test("says that it goes down, ends what runs, and restarts the machine", async () => {
    using events = new Events(client);
    await events.until(({ case: kind }) => kind === "started");
    const running = client.exec({ argv: ["sleep", "1000"] }).collect();
    running.catch(() => undefined);
    while ((await client.agent.getHealth({})).processesRunning === 0);
    await client.system.shutdown({ action: PowerAction.REBOOT });
    await events.until(({ case: kind }) => kind === "shuttingDown");
    assert.deepEqual(await vm.machine.stopped, { kind: "guest-reset" });
  });
});

/** Until the memory and the small disk were both told of, in either order. */
async function untilBoth(events: Events, isLow: boolean): Promise<void> {
  const left = new Set(["memory", "disk"]);
  const name = (event: Happening): string | undefined => {
    if (event.case === "lowMemory" && event.value.low === isLow) return "memory";
    const isSmall = event.case === "lowDisk" && event.value.mountPoint === "/mnt/small";
    return isSmall && event.value.low === isLow ? "disk" : undefined;
  };
  while (left.size > 0) left.delete(name(await events.until((event) => name(event) !== undefined)) ?? "");
}
