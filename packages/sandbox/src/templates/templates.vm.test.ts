// Real guests out of templates: each unique, made once, and never from a template that is not what was saved.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { architectures, realPlatform, type TemporaryDirectory } from "@kelpie/platform";
import { Sandbox, type SandboxOptions } from "../index.ts";
import { shellOutput } from "../testing/shell-output.ts";
import { findTestImage } from "../testing/test-image.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage } from "../vmm/vmm.ts";
import { TemplateStore } from "./template-store.ts";

const { files, clock } = realPlatform;
const clones = 4;
const clockWithinMs = 50;

for (const architecture of architectures) {
  const found = await findTestImage(architecture);
  const skip = "skip" in found ? found.skip : false;
  describe(`templates for ${architecture}`, { skip, timeout: 600_000 }, () => {
    if ("image" in found) describeTemplates(found.image);
  });
}

function describeTemplates(image: BootImage): void {
  const home = Promise.withResolvers<TemporaryDirectory>();
  before(() => files.temporaryDirectory("kelpie-warm-").then(home.resolve, home.reject));
  after(async () => (await home.promise)[Symbol.asyncDispose]());

  const create = async (rest: Partial<SandboxOptions> = {}): Promise<Sandbox> => {
    const { path } = await home.promise;
    const signal = new AbortController().signal;
    const vmm = await openQemu(realPlatform, { architecture: image.architecture, home: path, signal });
    const shape = { memoryMiB: 192, start: "warm", bootTimeoutMs: 120_000 } as const;
    return await Sandbox.create({ platform: realPlatform, vmm, image, home: path, ...shape, ...rest });
  };
  const made = ({ start }: Sandbox): string | undefined =>
    start?.kind === "warm" ? start.made : assert.fail("it was not restored");

  test("clones that start at once are made from one template, and no two are alike", async () => {
    await using stack = new AsyncDisposableStack();
    const sandboxes = await Promise.all(
      Array.from({ length: clones }, async () => stack.use(await create())),
    );
    assert.equal(sandboxes.filter((sandbox) => made(sandbox) !== undefined).length, 1);
    const seen = await Promise.all(sandboxes.map(identity));
    for (const what of Object.keys(seen[0] ?? {})) {
      const values = seen.map((one) => one[what]);
      assert.equal(new Set(values).size, clones, `${what}: ${values.join(" ")}`);
    }
    const offs: number[] = [];
    for (const sandbox of sandboxes) {
      const startMs = clock.nowMs();
      const guestMs = Number(await output(sandbox, "date +%s%3N"));
      offs.push(Math.max(startMs - guestMs, guestMs - clock.nowMs()));
    }
    // A host that is busy makes the message with the time late, so the best tells of the way, and all of its failure.
    const told = `the clocks are off by ${offs.join(", ")} ms`;
    assert.ok(Math.min(...offs) < clockWithinMs && Math.max(...offs) < 20 * clockWithinMs, told);
  });

  test("another shape has another template", async () => {
    await using first = await create();
    assert.equal(made(first), undefined);
    await using other = await create({ cpus: 2 });
    assert.match(made(other) ?? "", /there was none/);
    assert.equal(await output(other, "nproc"), "2");
  });

  test("a template whose file was changed is refused, and made anew", async () => {
    const { path } = await home.promise;
    const before = await new TemplateStore(realPlatform, path).list();
    for (const { key } of before) {
      const state = `${path}/templates/${key}/state`;
      await files.setMode(state, 0o600);
      await using file = await files.open(state, "update");
      await file.write(Buffer.from("garbage"), 1000);
    }
    await using sandbox = await create();
    assert.match(made(sandbox) ?? "", /its state is not what was saved/);
    assert.equal(await output(sandbox, "echo $((6 * 7))"), "42");
  });
}

async function output(sandbox: Sandbox, script: string): Promise<string> {
  return (await shellOutput(sandbox, script)).trim();
}

/** What must differ from one machine to the next; randomness is read by two processes. */
async function identity(sandbox: Sandbox): Promise<Record<string, string>> {
  const random = "head -c 16 /dev/urandom | od -An -tx1";
  const machineId = await output(sandbox, "cat /etc/machine-id");
  assert.match(machineId, /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  return {
    machineId,
    hostname: await output(sandbox, "uname -n"),
    urandom: await output(sandbox, random),
    again: await output(sandbox, random),
    uuid: await output(sandbox, "cat /proc/sys/kernel/random/uuid"),
    instance: (await sandbox.agent.info()).instanceId,
  };
}
