// Which process is meant, also after its id has gone to another.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identifyProcess, isSameProcessAlive } from "./process-identity.ts";
import { realPlatform } from "./real/index.ts";

const { files, processes } = realPlatform;

test("a process is itself until it ends, and never another that has its id", async () => {
  const child = spawn("sleep", ["100"]);
  const who = await identifyProcess(files, child.pid ?? 0);
  assert.equal(await isSameProcessAlive(realPlatform, who), true);
  const linux = realPlatform.host.operatingSystem === "linux";
  assert.equal(await isSameProcessAlive(realPlatform, { ...who, startTime: "1" }), !linux);
  child.kill();
  await once(child, "exit");
  assert.equal(await isSameProcessAlive(realPlatform, who), false);
  assert.equal(await isSameProcessAlive(realPlatform, { pid: 0, startTime: "1" }), false);
});

test("a launched program is in a session of its own, and its end is seen although it is no child to wait for", async () => {
  const pid = await processes.launch("sleep", ["100"]);
  const stat = Buffer.from(
    await files.readFile(`/proc/${pid}/stat`, 4096).catch(() => new Uint8Array()),
  ).toString();
  if (stat !== "") assert.equal(stat.slice(stat.lastIndexOf(")")).split(" ")[4], String(pid));
  const watch = new AbortController();
  const aborted = processes.gone(pid, watch.signal);
  watch.abort();
  await assert.rejects(aborted);
  processes.signal(pid, "SIGKILL");
  await processes.gone(pid, AbortSignal.timeout(5000));
});

test("a process that has ended and whose parent does not look is not alive", async (context) => {
  if (realPlatform.host.operatingSystem !== "linux") {
    context.skip("only Linux tells");
    return;
  }
  // A shell that starts a child, says its number, and never waits for it.
  const parent = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 100"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const who = await identifyProcess(files, Number(line.toString()));
    const waitMs = 20;
    for (let triesLeft = 250; await isSameProcessAlive(realPlatform, who); triesLeft--) {
      assert.ok(triesLeft > 0, "it is taken to be alive");
      await realPlatform.clock.sleep(waitMs);
    }
    assert.ok(processes.isAlive(who.pid), "the system still knows it");
  } finally {
    parent.kill("SIGKILL");
  }
});
