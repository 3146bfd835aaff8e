// The start and end of a sandbox, with a monitor and an agent that are played here.

import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { duplexPair } from "../testing/duplex-pair.ts";
import { playAgent } from "../testing/fake-agent.ts";
import { noImage, PlayedMachine, playedVmm } from "../testing/played-machine.ts";
import type { Attachment } from "./attachment.ts";
import { Sandbox } from "./sandbox.ts";

const { files } = realPlatform;
const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

async function create(
  home: string,
  machine: PlayedMachine,
  rest: { readonly bootTimeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Sandbox> {
  return await Sandbox.create({
    platform: realPlatform,
    vmm: playedVmm(machine),
    image: noImage,
    home,
    ...rest,
  });
}

const silent = (): Promise<Duplex> => Promise.resolve(duplexPair()[0]);

test("a sandbox whose agent answers is ready, and is gone when it is disposed", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  await using agent = playAgent({});
  const machine = new PlayedMachine(agent.open);
  {
    await using sandbox = await create(home.path, machine);
    assert.deepEqual(await files.list(`${home.path}/sandboxes`), [sandbox.id]);
    assert.ok((await sandbox.agent.ping()) >= 0);
  }
  assert.deepEqual(await machine.stopped, { kind: "host-request" });
  assert.deepEqual(await files.list(`${home.path}/sandboxes`), []);
});

test("what is large has a port of its own in a sandbox, opened when it is first wanted", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  await using agent = playAgent({ files: { writeFile: () => Promise.resolve({ file: { path: "/big" } }) } });
  const opened: number[] = [];
  const machine = new PlayedMachine((index) => {
    opened.push(index);
    return agent.open();
  });
  await using sandbox = await create(home.path, machine);
  assert.deepEqual(opened, [0]);
  await sandbox.files.write("/big", Buffer.alloc(1));
  assert.deepEqual(opened, [0, 1]);
});

test("a guest that is not ready in time is ended, and the error says how far it came", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  const machine = new PlayedMachine(silent);
  machine.console.append(Buffer.from("[    0.000000] Linux\nkelpie: init root\n"));
  await assert.rejects(
    create(home.path, machine, { bootTimeoutMs: 100 }),
    fails("boot-failed", /not ready after 0\.1 s.*as far as init root/s),
  );
  assert.equal(machine.state.kind, "stopped");
  assert.deepEqual(await files.list(`${home.path}/sandboxes`), []);
});

test("a guest that stops while it boots is told at once, with how it stopped", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  const machine = new PlayedMachine(silent);
  machine.console.append(Buffer.from("[    0.000000] Linux\nKernel panic - not syncing: x\n"));
  setTimeout(() => machine.end({ kind: "guest-reset" }), 20);
  const starting = create(home.path, machine, { bootTimeoutMs: 60_000 });
  await assert.rejects(starting, fails("boot-failed", /the guest reset itself.*as far as the kernel/s));
});

test("a cancelled start is cancelled, not a failed boot", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  const machine = new PlayedMachine(silent);
  await assert.rejects(create(home.path, machine, { signal: AbortSignal.timeout(50) }), fails("cancelled"));
  assert.equal(machine.state.kind, "stopped");
});

test("a shutdown waits for the guest to power off", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  const machines: PlayedMachine[] = [];
  const shutdown = (): Record<string, never> => {
    setTimeout(() => machines[0]?.end({ kind: "guest-shutdown" }), 50);
    return {};
  };
  await using agent = playAgent({ system: { shutdown } });
  const machine = new PlayedMachine(agent.open);
  machines.push(machine);
  await using sandbox = await create(home.path, machine);
  assert.deepEqual(await sandbox.shutdown(), { kind: "guest-shutdown" });
});

test("a guest that does not power off is ended", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  await using agent = playAgent({ system: { shutdown: () => ({}) } });
  await using sandbox = await create(home.path, new PlayedMachine(agent.open));
  assert.deepEqual(await sandbox.shutdown(100), { kind: "host-request" });
});

test("attachments are attached in order once the guest answers, brought home in reverse, and go with the sandbox", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  await using agent = playAgent({});
  const machine = new PlayedMachine(agent.open);
  const steps: string[] = [];
  const attachment = (name: string): Attachment => ({
    needs: () => ({ plugs: ["disk", "disk", "disk"] }),
    description: name,
    attach: async ({ agent: client }) => {
      await client.ping();
      steps.push(`attach ${name}`);
    },
    finish: () => {
      steps.push(`finish ${name}`);
      return Promise.resolve([`${name} is home`]);
    },
    [Symbol.asyncDispose]: () => {
      steps.push(`dispose ${name}`);
      return Promise.resolve();
    },
  });
  {
    const attachments = [attachment("one"), attachment("two")];
    await using sandbox = await Sandbox.create({
      ...{ platform: realPlatform, vmm: playedVmm(machine), image: noImage, home: home.path, attachments },
    });
    assert.deepEqual(await sandbox.finish(), ["two is home", "one is home"]);
  }
  const expected = ["attach one", "attach two", "finish two", "finish one", "dispose two", "dispose one"];
  assert.deepEqual(steps, expected);
});

test("an attachment that cannot be attached ends the sandbox with its own error", async () => {
  await using home = await files.temporaryDirectory("kelpie-sandbox-");
  await using agent = playAgent({});
  const machine = new PlayedMachine(agent.open);
  let isDisposed = false;
  const attachment: Attachment = {
    needs: () => ({}),
    description: "refused",
    attach: () => Promise.reject(new KelpieError("permission-denied", "no")),
    finish: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(void (isDisposed = true)),
  };
  const creating = Sandbox.create({
    ...{ platform: realPlatform, vmm: playedVmm(machine), image: noImage, home: home.path },
    attachments: [attachment],
  });
  await assert.rejects(creating, fails("permission-denied"));
  assert.ok(isDisposed);
  assert.deepEqual(await files.list(`${home.path}/sandboxes`), []);
});
