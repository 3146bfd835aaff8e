// What holds of a machine while it runs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { KelpieError, realPlatform } from "@kelpie/platform";
import type { DeviceKind } from "../../vmm/capabilities.ts";
import type { PluggableDevice } from "../../vmm/pluggable.ts";
import { type Behaviour, needs, needsLinux, type Running } from "./behaviour.ts";
import { clientOf, output, processesOf } from "./subject.ts";

const { clock, files } = realPlatform;
const pausedMs = 400;
const bulkBytes = 4 << 20;
/** More than the image's own: 5 GiB and a sector. */
export const diskBytes = 5 * 2 ** 30 + 512;

export const whileRunning: readonly Behaviour<Running>[] = [
  {
    name: "its state is running, and its processes can be found by its directory",
    async check({ machine, spec }) {
      assert.equal(machine.state.kind, "running");
      assert.notDeepEqual(await processesOf(spec.runDirectory), []);
    },
  },
  {
    name: "every agent port is a session of its own, at the same time",
    async check({ machine, spec }) {
      const ports = Array.from({ length: spec.agentPorts - 1 }, (_, index) => index + 1);
      await Promise.all(
        ports.map(async (port) => {
          await using client = clientOf(machine, port);
          await client.ping({ signal: AbortSignal.timeout(20_000) });
          assert.equal(await output(client, `echo ${port}`), String(port));
        }),
      );
    },
  },
  {
    name: "a port that was left is good for the next user",
    async check({ machine }) {
      for (let round = 0; round < 3; round++) {
        await using client = clientOf(machine, 1);
        await client.ping({ signal: AbortSignal.timeout(20_000) });
      }
    },
  },
  {
    name: "bytes pass unharmed and in order, both ways at once",
    async check({ agent }) {
      const bytes = Buffer.alloc(bulkBytes, "kelpie's bytes, a number of them that is no power of two: 61");
      const { stdout } = await agent
        .exec({ argv: ["cat"], stdin: Readable.from([bytes]) })
        .collect(2 * bulkBytes);
      const digest = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
      assert.equal(digest(stdout), digest(bytes));
    },
  },
  {
    name: "the guest has the processors, memory, disk and host name that were asked for",
    notFor: (_, guest) => needsLinux(guest),
    async check({ agent, spec }) {
      const text = await output(
        agent,
        "nproc; uname -n; cat /sys/block/vda/size; grep MemTotal /proc/meminfo",
      );
      const [cpus, hostname, sectors, memory = ""] = text.split("\n");
      assert.deepEqual([cpus, hostname], [String(spec.cpus), spec.hostname]);
      assert.equal(Number(sectors) * 512, diskBytes);
      const kibibytes = Number(/\d+/.exec(memory)?.[0]);
      const asked = spec.memoryMiB * 1024;
      assert.ok(kibibytes <= asked && kibibytes > 0.75 * asked, `${memory} of ${asked} kB`);
    },
  },
  {
    name: "what the guest writes to its root is there, and not in the image",
    notFor: (_, guest) => needsLinux(guest),
    async check({ agent, spec }) {
      const before = await files.stat(spec.image.rootfs);
      assert.equal(await output(agent, "echo mine >/root/own && sync && cat /root/own"), "mine");
      assert.deepEqual(await files.stat(spec.image.rootfs), before);
    },
  },
  {
    name: "the console is there for a diagnosis, in memory and in the file",
    notFor: (_, guest) => needsLinux(guest),
    async check({ agent, machine, spec }) {
      await output(agent, "echo said-to-the-console >/dev/console");
      // A serial console is slower than the agent's port: the words may still be on their way.
      using patience = clock.deadline(10_000, "The console's words");
      let { console } = await machine.diagnose();
      while (!console.text().includes("said-to-the-console")) {
        await clock.sleep(20, patience.signal);
        ({ console } = await machine.diagnose());
      }
      assert.equal(console.stage, "agent ready");
      const file = await files.readFile(`${spec.runDirectory}/console.log`, 1 << 21);
      assert.match(Buffer.from(file).toString(), /kelpie: agent ready/);
    },
  },
  {
    name: "a machine that is paused does nothing until it goes on",
    notFor: needs("pauses"),
    async check({ machine, agent }) {
      await machine.pause();
      const answer = agent.ping().then(() => "answered");
      const silence = clock.sleep(pausedMs).then(() => "silent");
      assert.equal(await Promise.race([answer, silence]), "silent");
      await machine.resume();
      assert.equal(await answer, "answered");
    },
  },
  {
    name: "a pause is refused by a monitor that has none",
    notFor: ({ pauses }) => (pauses ? "it can" : undefined),
    async check({ machine }) {
      await assert.rejects(machine.pause(), isUnsupported);
    },
  },
  {
    name: "devices that the monitor cannot plug in are refused, and its name told",
    async check({ machine }, { vmm }) {
      const kinds = Object.keys(devices) as DeviceKind[];
      for (const kind of kinds.filter((one) => !vmm.capabilities.plugs.includes(one))) {
        await assert.rejects(
          machine.plug(devices[kind]),
          (error) => isUnsupported(error) && error.message.includes(vmm.name),
        );
      }
    },
  },
  {
    name: "a disk that is plugged in is found by its name, as large as its file",
    notFor: ({ plugs }, guest) => (plugs.includes("disk") ? needsLinux(guest) : "it plugs no disk"),
    async check({ machine, agent, spec }) {
      const path = `${spec.runDirectory}/work`;
      {
        await using file = await files.open(path, "create", 0o600);
        await file.truncate(1 << 20);
        await file.write(Buffer.from("on the disk"), 0);
      }
      await machine.plug({ kind: "disk", name: "work", path, readOnly: true });
      const find = 'for d in /sys/block/vd*; do [ "$(cat $d/serial)" = work ] && echo ${d##*/}; done';
      const script = `i=0; while [ $i -lt 500 ]; do n=$(${find}); [ -n "$n" ] && break; i=$((i+1)); sleep 0.02; done
        cat /sys/block/$n/size; head -c 11 /dev/$n`;
      assert.equal(await output(agent, script), "2048\non the disk");
    },
  },
];

const devices: Readonly<Record<DeviceKind, PluggableDevice>> = {
  disk: { kind: "disk", name: "a", path: "/absent", readOnly: true },
  virtiofs: { kind: "virtiofs", name: "b", tag: "b", socket: "/absent" },
  "9p": { kind: "9p", name: "c", tag: "c", directory: "c" },
  network: {
    kind: "network",
    name: "d",
    mac: "52:54:00:6b:65:6c",
    backend: { kind: "closed", publish: [] },
  },
};

function isUnsupported(error: unknown): error is KelpieError {
  return KelpieError.is(error) && error.code === "unsupported";
}
