// A monitor under test, and what the suite's tests do with it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import type { BootImage, VirtualMachine, Vmm, VmSpec } from "../../vmm/vmm.ts";

const { files } = realPlatform;
const answersWithinMs = 120_000;

/** A monitor under test. Disposing it ends what the tests share. */
export interface VmmSubject extends AsyncDisposable {
  readonly vmm: Vmm;
  readonly image: BootImage;
  /** `process`: the monitor is played, and the agent is a process of this machine that stands where the guest would. */
  readonly guest: "linux" | "process";
  /** A new directory, short enough for sockets, that goes with the subject. */
  readonly newDirectory: () => Promise<string>;
}

/** Makes a subject over `vmm`. */
export async function vmmSubject(
  vmm: Vmm,
  image: BootImage,
  guest: VmmSubject["guest"] = "linux",
): Promise<VmmSubject> {
  const home = await files.temporaryDirectory("kelpie-vmm-");
  let count = 0;
  return {
    ...{ vmm, image, guest },
    async newDirectory() {
      const path = join(home.path, String(count++));
      await files.makeDirectory(path, 0o700);
      return path;
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

/** The shape that the tests use, in a directory of its own. */
export async function specOf(subject: VmmSubject, rest: Partial<VmSpec> = {}): Promise<VmSpec> {
  const runDirectory = await subject.newDirectory();
  const { image } = subject;
  return {
    ...{ image, memoryMiB: 192, cpus: 1, agentPorts: 4, hostname: "kelpie", plugSlots: 2, runDirectory },
    ...rest,
  };
}

/** A client of one of a machine's ports; the caller disposes it. */
export function clientOf(machine: VirtualMachine, port = 0): AgentClient {
  return new AgentClient({ ...realPlatform, open: (signal) => machine.connectAgent(port, signal) });
}

/** A machine whose agent answers. */
export async function answering(
  { vmm }: VmmSubject,
  spec: VmSpec,
): Promise<{ readonly machine: VirtualMachine; readonly agent: AgentClient } & AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const signal = AbortSignal.timeout(answersWithinMs);
  const machine = resources.use(await vmm.start(spec, signal));
  const agent = resources.use(clientOf(machine));
  await agent.waitUntilReady(signal);
  const held = resources.move();
  return { machine, agent, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** What a script in the guest prints. */
export async function output(agent: AgentClient, script: string): Promise<string> {
  const { stdout, stderr, end } = await agent.exec({ argv: ["sh", "-c", script] }).collect();
  assert.equal(end.kind, "exited", `${JSON.stringify(end)} ${Buffer.from(stderr).toString()}`);
  return Buffer.from(stdout).toString().trim();
}

/** The processes that have to do with a machine, by its directory in their command line or as their own. Linux's /proc. */
export async function processesOf(runDirectory: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await files.list("/proc")) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === realPlatform.host.pid) continue;
    const words = await files.readFile(`/proc/${pid}/cmdline`, 1 << 20).catch(() => undefined);
    const text = words === undefined ? "" : Buffer.from(words).toString();
    const workingDirectory = await files.readLink(`/proc/${pid}/cwd`).catch(() => "");
    if (text.includes(`${runDirectory}/`) || workingDirectory === runDirectory) found.push(pid);
  }
  return found;
}
