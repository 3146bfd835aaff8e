// What the agent does to its machine, in a real one: clock, randomness, names, mounts, network, snapshots, idleness,
// and its many ports.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type AgentVm, bootAgentVm } from "../testing/agent-vm.ts";
import { shellOutput } from "../testing/shell-output.ts";
import { findTestImage } from "../testing/test-image.ts";
import { AgentClient } from "./agent-client.ts";

const ports = 30;
const found = await findTestImage("amd64");

describe("the agent in a machine", { skip: "skip" in found ? found.skip : false, timeout: 300_000 }, () => {
  let vm: AgentVm;
  let client: AgentClient;
  before(async () => {
    assert.ok("image" in found);
    vm = await bootAgentVm(found.image, ports);
    client = vm.connect(0);
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    await vm[Symbol.asyncDispose]();
  });

  const shell = (script: string): Promise<string> => shellOutput(client, script);
  const refused = (errno: string) => (error: unknown) =>
    error instanceof ConnectError && error.metadata.get("kelpie-errno") === errno;

  test("sets the clock and says how far it moved", async () => {
    const wanted = 2_000_000_000n * 1_000_000_000n;
    const before = (await client.agent.getHealth({})).nowUnixNs;
    const { movedNs } = await client.system.setTime({ unixNs: wanted });
    assert.ok(movedNs > 0n && movedNs <= wanted - before);
    const seconds = Number(await shell("date +%s"));
    assert.ok(seconds >= 2_000_000_000 && seconds < 2_000_000_060, `${seconds}`);
  });

  test("takes fresh randomness, and refuses too little of it", async () => {
    await client.system.reseed({ entropy: new Uint8Array(64).fill(7) });
    await assert.rejects(client.system.reseed({ entropy: new Uint8Array(31) }), /32/);
  });

  test("takes a host name and a machine id", async () => {
    await client.system.setHostname({ hostname: "box-7" });
    await client.system.setMachineId({ machineId: "0123456789abcdef0123456789abcdef" });
    const told = await shell("uname -n; cat /etc/hostname /etc/machine-id");
    assert.equal(told, "box-7\nbox-7\n0123456789abcdef0123456789abcdef\n");
  });

  test("mounts by label and by path, tmpfs and directories, and takes each away again", async () => {
    const { system } = client;
    const label = { case: "label" as const, value: "kelpie-root" };
    const path = { case: "path" as const, value: "/dev/vda" };
    for (const device of [label, path]) {
      await system.mount({ source: { case: "block", value: { device } }, target: "/mnt/again" });
      assert.match(await shell("cat /mnt/again/etc/os-release"), /PRETTY_NAME/);
      await system.unmount({ target: "/mnt/again" });
    }
    const tmpfs = { case: "tmpfs" as const, value: { sizeBytes: 1n << 20n, mode: 0o700 } };
    await system.mount({ source: tmpfs, target: "/mnt/tmp", restricted: true });
    const bind = { case: "bindPath" as const, value: "/etc" };
    await system.mount({ source: bind, target: "/mnt/etc", readOnly: true });
    assert.match(await shell("grep /mnt/tmp /proc/mounts"), /rw,nosuid,nodev,noexec.*size=1024k,mode=700/);
    assert.equal(await shell("touch /mnt/etc/x 2>/dev/null || echo refused"), "refused\n");
    await system.unmount({ target: "/mnt/tmp" });
    await system.unmount({ target: "/mnt/etc", lazy: true });
    assert.equal(await shell("grep -c /mnt/ /proc/mounts || true"), "0\n");
  });

  test("says at once what it cannot mount, and waits only when it is told to", async () => {
    const serial = { case: "serial" as const, value: "absent" };
    const source = { case: "block" as const, value: { device: serial } };
    await assert.rejects(client.system.mount({ source, target: "/mnt/x" }), refused("ENODEV"));
    const startMs = performance.now();
    await assert.rejects(client.system.mount({ source, target: "/mnt/x", waitMs: 300 }), refused("ENODEV"));
    assert.ok(performance.now() - startMs >= 300);
    for (const kind of ["virtiofsTag", "ninepTag"] as const) {
      const mount = client.system.mount({ source: { case: kind, value: "absent" }, target: "/mnt/x" });
      await assert.rejects(mount, (error) => error instanceof ConnectError);
    }
  });

  test("configures the network", async () => {
    const interfaces = [{ name: "lo", addresses: ["127.0.0.1/8", "10.9.8.7/32", "fd00::7/128"], mtu: 9000 }];
    await client.system.configureNetwork({ network: { interfaces, nameServers: ["10.9.8.1"] } });
    const told = await shell(
      "cat /etc/resolv.conf /sys/class/net/lo/mtu /proc/net/fib_trie /proc/net/if_inet6",
    );
    for (const part of ["nameserver 10.9.8.1\n9000\n", "10.9.8.7", "fd000000000000000000000000000007"])
      assert.ok(told.includes(part), part);
  });

  test("stands still for a snapshot and goes on as another", async () => {
    const before = await client.info();
    const count = "i=0; while :; do i=$((i+1)); echo $i > /run/count; sleep 0.01; done";
    const { result } = await client.processes.startProcess({ spec: { argv: ["sh", "-c", count] } });
    assert.equal(result.case, "process");
    const { processesFrozen } = await client.system.prepareSnapshot({});
    assert.equal(processesFrozen, true);
    // The session that asked ends. A ping that meets its end is sent again over the next.
    await client.ping();
    const start = client.processes.startProcess({ spec: { argv: ["true"] } });
    await assert.rejects(start, /between PrepareSnapshot and Resume/);
    const { instanceId } = await client.system.resume({
      entropy: new Uint8Array(32).fill(9),
      unixNs: 2_100_000_000n * 1_000_000_000n,
      hostname: "clone-1",
      machineId: "f".repeat(32),
    });
    assert.notEqual(instanceId, before.instanceId);
    assert.equal(await shell("uname -n; cat /etc/machine-id"), `clone-1\n${"f".repeat(32)}\n`);
    assert.equal(
      await shell("a=$(cat /run/count); sleep 1; b=$(cat /run/count); [ $b -gt $a ] && echo on"),
      "on\n",
    );
    const id = result.value.id;
    await client.processes.signalProcess({ id, signal: { number: 9 } });
  });

  test("serves every port at once, and takes little for those that nobody uses", async () => {
    const clients = Array.from({ length: ports - 1 }, (_, index) => vm.connect(index + 1));
    await Promise.all(clients.map((other) => other.ping()));
    const { sessions } = await client.agent.getHealth({});
    assert.equal(sessions, ports);
    await Promise.all(clients.map((other) => other[Symbol.asyncDispose]()));
    const { agentResidentBytes } = await client.agent.getHealth({});
    assert.ok(agentResidentBytes < 8n << 20n, `${agentResidentBytes} bytes are resident`);
  });

  test("a host that is gone in the middle of a copy frees its port at once", async () => {
    for (let round = 0; round < 5; round++) {
      const stream = await vm.open(1, AbortSignal.timeout(5000));
      await using lost = new AgentClient({ ...realPlatform, open: () => Promise.resolve(stream) });
      const started = await lost.start({ argv: ["cat", "/dev/zero"] });
      assert.ok("id" in started);
      const flood = lost.attach(started.id)[Symbol.asyncIterator]();
      await flood.next();
      // Nothing is read any more, so that the agent's side stands full, and then the host is gone without a word.
      stream.pause();
      stream.destroy();
      await once(stream, "close");
      const startMs = performance.now();
      await using next = vm.connect(1);
      await next.ping();
      assert.ok(performance.now() - startMs < 1000, `${performance.now() - startMs} ms in round ${round}`);
      await next.attach(started.id, { passive: true }).kill(9);
    }
  });

  test("counts idle time only while nothing is done, and powers itself off after enough of it", async () => {
    const idle = async (): Promise<number> => Number((await client.agent.getHealth({})).idleMs);
    const { result } = await client.processes.startProcess({ spec: { argv: ["sleep", "1"] } });
    assert.equal(result.case, "process");
    assert.equal(await idle(), 0);
    await client.processes.waitProcess({ id: result.value.id });
    await client.system.sync({});
    while ((await client.agent.getHealth({})).processesRunning > 0) await new Promise(setImmediate);
    const first = await idle();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok((await idle()) >= first + 250);
    await client.system.setIdleTimeout({ timeoutMs: 500n });
    assert.deepEqual(await vm.machine.stopped, { kind: "guest-shutdown" });
    await assert.rejects(client.ping(), KelpieError);
  });
});
