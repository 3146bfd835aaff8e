// The Firecracker that is played answers as one that is installed does: the same calls, told to both.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { describeError, realPlatform } from "@kelpie/platform";
import { FirecrackerApi } from "../../vmm/firecracker/api-client.ts";
import { findFirecracker } from "../../vmm/firecracker/find-firecracker.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { afterBoot, beforeBoot, beforeRestore, type Heard } from "./api-answers.ts";
import { playedKernel, writePlayedFirecracker } from "./play-firecracker.ts";

const { files, host } = realPlatform;
const never = new AbortController().signal;
const installed = await findFirecracker(realPlatform).catch(describeError);
const notHere =
  typeof installed === "object" ? false : (installed ?? "no firecracker is on PATH (docs/backends.md)");
const opensKvm = await files.open("/dev/kvm", "update").then(
  (file) => file.close().then(() => true),
  () => false,
);

/** A process of `program` in the empty `directory`, and its API. */
async function started(
  program: string,
  directory: string,
): Promise<{ api: FirecrackerApi } & AsyncDisposable> {
  await mkdir(directory);
  writeFileSync(join(directory, "disk"), Buffer.alloc(1 << 20));
  writeFileSync(
    join(directory, "kernel"),
    program.endsWith("/played/firecracker") ? playedKernel() : tinyKernel("ticks"),
  );
  const child = spawn(program, ["--api-sock", "api", "--level", "Off"], { cwd: directory, stdio: "ignore" });
  const gone = once(child, "exit");
  const api = new FirecrackerApi(realPlatform, join(directory, "api"));
  await api.untilListening(AbortSignal.timeout(20_000)).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  return {
    api,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

async function hold(api: FirecrackerApi, heard: readonly Heard[]): Promise<void> {
  for (const { call, refusal } of heard) {
    const answer = await api.call(call, never).then(
      () => "done",
      (error: unknown) => describeError(error),
    );
    const words = `${call.method} ${call.path} ${JSON.stringify(call.body ?? {}).slice(0, 100)}: ${answer}`;
    if (refusal === undefined) assert.equal(answer, "done", words);
    else assert.match(answer.replace(/^.*?(?=4\d\d: )/s, ""), refusal, words);
  }
}

async function holdAll(program: string, home: string, starts: boolean): Promise<void> {
  {
    const directory = join(home, "boots");
    await using one = await started(program, directory);
    await hold(one.api, beforeBoot("kernel"));
    assert.ok(existsSync(join(directory, "vsock")));
    if (starts) await hold(one.api, afterBoot);
  }
  await using another = await started(program, join(home, "restores"));
  await hold(another.api, beforeRestore);
}

test("a played Firecracker answers each call as the real one was heard to, before and after a start", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  await mkdir(join(home.path, "played"));
  await holdAll(await writePlayedFirecracker(join(home.path, "played"), "played"), home.path, true);
});

test("an installed Firecracker answers each call as it was heard to, and starts where /dev/kvm opens", {
  skip: notHere,
}, async () => {
  assert.ok(typeof installed === "object");
  await using home = await files.temporaryDirectory("kelpie-fc-");
  await holdAll(installed.program, home.path, opensKvm && host.architecture === "amd64");
});
