// libkrun against the suite that every monitor passes: real FFI and a real process over a played library, with the real
// agent, a process of this machine, in the guest's place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { startAgentProcess } from "../../testing/conformance/agent-process.ts";
import { Sandbox } from "../../lifecycle/sandbox.ts";
import {
  answering,
  output,
  processesOf,
  specOf,
  vmmSubject,
  type VmmSubject,
} from "../../testing/vmm-compliance/subject.ts";
import { describeVmm } from "../../testing/vmm-compliance/suite.ts";
import { type Play, skipWithoutCompiler } from "./testing/played-libkrun.ts";
import { playMonitor, type PlayedMonitor } from "./testing/played-machine.ts";

const program = process.env["KELPIE_AGENT"];
const skip =
  program === undefined ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : skipWithoutCompiler;

interface PlayedGuest extends AsyncDisposable {
  readonly monitor: PlayedMonitor;
}

/** A monitor whose machines all lead to one agent. */
async function playGuests(play: Play = {}): Promise<PlayedGuest> {
  await using resources = new AsyncDisposableStack();
  const monitor = resources.use(await playMonitor());
  const agent = resources.use(await startAgentProcess(program ?? "", monitor.directory));
  monitor.library.play({ agent: agent.socket, say: "kelpie: agent ready", ...play });
  const held = resources.move();
  return { monitor, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function open(): Promise<VmmSubject> {
  const guests = await playGuests();
  const { vmm, image } = guests.monitor;
  const subject = await vmmSubject(vmm, image, "process");
  return {
    ...subject,
    async [Symbol.asyncDispose]() {
      await subject[Symbol.asyncDispose]();
      await guests[Symbol.asyncDispose]();
    },
  };
}

describeVmm("libkrun, played", open, skip);

test("a sandbox is made, runs commands, holds files and goes", { skip, timeout: 60_000 }, async () => {
  await using guests = await playGuests();
  const { monitor } = guests;
  const home = `${monitor.directory}/h`;
  const { vmm, image } = monitor;
  let runDirectory: string;
  {
    await using sandbox = await Sandbox.create({
      platform: realPlatform,
      home,
      vmm,
      image,
      diskBytes: 1 << 30,
    });
    const { stdout, end } = await sandbox.exec({ argv: ["sh", "-c", "echo $((6 * 7))"] }).collect();
    assert.deepEqual([Buffer.from(stdout).toString(), end.kind], ["42\n", "exited"]);
    const file = `${monitor.directory}/made by the sandbox`;
    await sandbox.files.write(file, Buffer.from("content"));
    assert.equal(Buffer.from(await sandbox.files.readAll(file, 100)).toString(), "content");
    const seen = monitor.library.calls();
    const kernel = seen.find(({ name }) => name === "krun_set_kernel")?.args ?? [];
    assert.match(String(kernel[4]), /^console=tty(S0|AMA0) .*kelpie\.hostname=/);
    const disk = seen.find(({ name }) => name === "krun_add_disk2")?.args ?? [];
    runDirectory = String(disk[2]).replace("/root.qcow2", "");
    assert.notDeepEqual(await processesOf(runDirectory), []);
    assert.match((await sandbox.consoleTail()).join("\n"), /kelpie: agent ready/);
  }
  assert.deepEqual(await processesOf(runDirectory), []);
  assert.equal(await realPlatform.files.lstat(runDirectory), undefined);
});

for (const [what, play] of [
  ["whose socket comes late and whose console says nothing", { late: 600, say: "no word of an agent" }],
  ["that does not listen at first", { refuse: 3 }],
] as const) {
  test(`an agent is reached in a guest ${what}`, { skip, timeout: 60_000 }, async () => {
    await using guests = await playGuests(play);
    const { vmm, image } = guests.monitor;
    await using subject = await vmmSubject(vmm, image, "process");
    await using running = await answering(subject, await specOf(subject));
    assert.equal(await output(running.agent, "echo here"), "here");
  });
}
