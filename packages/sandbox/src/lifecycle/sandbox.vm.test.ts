// Sandboxes with real guests: what runs in them, how they end, and that nothing is left of them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import {
  architectures,
  describeError,
  KelpieError,
  type KelpieErrorCode,
  realPlatform,
  type TemporaryDirectory,
} from "@kelpie/platform";
import type { ProcessEnd, ProcessRequest } from "../agent/process.ts";
import { findTestImage } from "../testing/test-image.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage } from "../vmm/vmm.ts";
import { Sandbox } from "./sandbox.ts";
import type { SandboxOptions } from "./sandbox-options.ts";

const { files } = realPlatform;
const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

const shell = (script: string, rest: Partial<ProcessRequest> = {}): ProcessRequest => ({
  argv: ["/bin/sh", "-c", script],
  ...rest,
});

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

for (const architecture of architectures) {
  const found = await findTestImage(architecture);
  const skip = "skip" in found ? found.skip : false;
  describe(`a sandbox for ${architecture}`, { skip, timeout: 600_000 }, () => {
    if ("image" in found) describeSandbox(found.image);
  });
}

function describeSandbox(image: BootImage): void {
  const home = Promise.withResolvers<TemporaryDirectory>();
  /** Waits for most of its time, so that it does beside the others. */
  let withoutRoot: Promise<Sandbox>;
  before(async () => {
    await files.temporaryDirectory("kelpie-vm-").then(home.resolve, home.reject);
    withoutRoot = createWithoutRoot();
    // Whoever awaits it is told.
    withoutRoot.catch(() => undefined);
  });
  after(async () => (await home.promise)[Symbol.asyncDispose]());

  const options = async (): Promise<SandboxOptions> => {
    const { path } = await home.promise;
    const signal = new AbortController().signal;
    const vmm = await openQemu(realPlatform, { architecture: image.architecture, home: path, signal });
    return { platform: realPlatform, vmm, image, home: path, memoryMiB: 256, bootTimeoutMs: 120_000 };
  };

  const createWithoutRoot = async (): Promise<Sandbox> => {
    const rootfs = `${(await home.promise).path}/empty.ext4`;
    {
      await using file = await files.open(rootfs, "replace");
      await file.truncate(1 << 20);
    }
    return await Sandbox.create({ ...(await options()), image: { ...image, rootfs } });
  };

  const ends: readonly (readonly [what: string, request: ProcessRequest, end: ProcessEnd | RegExp])[] = [
    ["that succeeds", { argv: ["true"] }, { kind: "exited", code: 0, cause: "own" }],
    ["that fails", shell("exit 200"), { kind: "exited", code: 200, cause: "own" }],
    ["that a signal ends", shell("kill -SEGV $$"), { kind: "signalled", signal: 11, cause: "own" }],
    [
      "that takes too long",
      shell("sleep 1000 & sleep 1000", { timeoutMs: 300, killGraceMs: 1000 }),
      { kind: "signalled", signal: 15, cause: "timed-out" },
    ],
    [
      "that takes too long and does not listen",
      shell("trap '' TERM; while :; do sleep 1; done", { timeoutMs: 300, killGraceMs: 200 }),
      { kind: "signalled", signal: 9, cause: "timed-out" },
    ],
    ["that is not there", { argv: ["no-such-program"] }, /"not-found"/],
    ["that is no program", { argv: ["/etc/passwd"] }, /"not-executable"/],
    ["whose directory is missing", { argv: ["true"], cwd: "/absent" }, /"bad-directory"/],
    ["for a user that is missing", { argv: ["true"], user: "nobody-at-all" }, /"no-such-user"/],
  ];

  for (const start of ["warm", "cold"] as const)
    test(`started ${start} runs processes, each with its own end, output and input`, async () => {
      await using sandbox = await Sandbox.create({ ...(await options()), start });
      assert.equal(sandbox.start?.kind, start);
      for (const [what, request, expected] of ends) {
        const { end } = await sandbox.exec(request).collect();
        if (expected instanceof RegExp) assert.match(JSON.stringify(end), expected, `a process ${what}`);
        else assert.deepEqual(end, expected, `a process ${what}`);
      }

      const apart = await sandbox
        .exec(shell("echo out; echo err >&2; pwd; echo $HELLO", { cwd: "/tmp", env: { HELLO: "there" } }))
        .collect();
      assert.equal(Buffer.from(apart.stdout).toString(), "out\n/tmp\nthere\n");
      assert.equal(Buffer.from(apart.stderr).toString(), "err\n");

      const input = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) >> 3));
      const echoed = await sandbox.exec({ argv: ["cat"], stdin: inPieces(input, 100_000) }).collect();
      assert.ok(Buffer.from(echoed.stdout).equals(input), "a MiB of all bytes went in and came out");

      const size = 8 << 20;
      const flood = await sandbox.exec(shell(`head -c ${size} /dev/zero`)).collect();
      const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
      assert.equal(digest(flood.stdout), digest(Buffer.alloc(size)));

      // Its second may seem long where the host is busy, and is never short.
      const startMs = performance.now();
      const uptimes = await sandbox.exec(shell("cat /proc/uptime; sleep 1; cat /proc/uptime")).collect();
      const outsideMs = performance.now() - startMs;
      const [first = 0, second = 0] = Buffer.from(uptimes.stdout)
        .toString()
        .split("\n")
        .map(Number.parseFloat);
      assert.ok(second - first >= 1, `${second - first} s in the guest`);
      assert.ok(
        second - first < outsideMs / 1000 + 0.05,
        `${second - first} s in ${outsideMs} ms of the host`,
      );

      const group = await sandbox.exec(shell("ps 2>/dev/null | grep -c '[s]leep 1000'")).collect();
      assert.equal(Buffer.from(group.stdout).toString(), "0\n", "a timeout ends the whole group");
    });

  test("powers off when it is asked to", async () => {
    await using sandbox = await Sandbox.create(await options());
    assert.deepEqual(await sandbox.shutdown(), { kind: "guest-shutdown" });
  });

  test("is its own machine: what one writes no other sees, and the image stays as it is", async () => {
    const before = await files.stat(image.rootfs);
    const write = shell("echo secret > /root/note && sync && cat /root/note");
    const look = shell("cat /root/note");
    await using first = await Sandbox.create(await options());
    assert.equal((await first.exec(write).collect()).end.kind, "exited");
    await using second = await Sandbox.create(await options());
    assert.equal(Buffer.from((await second.exec(look).collect()).stdout).toString(), "");
    assert.equal((await files.stat(image.rootfs))?.mtimeMs, before?.mtimeMs);
  });

  test("whose kernel panics is a lost guest, and says so", async () => {
    await using sandbox = await Sandbox.create(await options());
    const crash = shell("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger; sleep 100");
    const lost = sandbox.exec(crash).collect();
    await assert.rejects(lost, fails("guest-lost"));
    const explained = await sandbox.explain(await lost.catch((error: unknown) => error));
    assert.ok(
      fails("guest-lost", /The guest is gone: the guest (?:reset itself|'s kernel panicked)/)(explained),
    );
    const reason = await sandbox.stopped;
    assert.match(reason.kind, /guest-reset|guest-panicked/);
    assert.match((await sandbox.consoleTail(100)).join("\n"), /Kernel panic/);
  });

  test("that is cancelled while it boots leaves nothing", async () => {
    const signal = AbortSignal.timeout(700);
    await assert.rejects(Sandbox.create({ ...(await options()), start: "cold", signal }), fails("cancelled"));
  });

  test("whose root file system is none fails to boot, with the phase and a likely cause", async () => {
    await assert.rejects(withoutRoot, (error) => {
      const phase = image.withoutInitrd === true ? /as far as the kernel/ : /as far as init (?:root|modules)/;
      assert.ok(fails("boot-failed", phase)(error), describeError(error));
      assert.match((error as KelpieError).help ?? "", /root file system/);
      return true;
    });
  });

  test("leaves no file behind, however it ended", async () => {
    assert.deepEqual(await files.list(`${(await home.promise).path}/sandboxes`), []);
  });
}
