// The keeper apart from what it keeps: a command that is played here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { launchKeeper } from "./keeper.ts";
import { keptStop } from "./kept-files.ts";

const { files, processes } = realPlatform;

test("a start that is complete before the keeper has looked around counts, and its times with it", async () => {
  await using directory = await files.temporaryDirectory("kelpie-keeper-");
  const early = { program: "/bin/sh", args: ["-c", "kill -USR1 $PPID; exec sleep 60"] };
  const keep = { ttlSeconds: 1, startWithinSeconds: 30, removeAtEnd: false };
  const keeper = await launchKeeper(realPlatform, early, keep, { cwd: directory.path });
  await processes.gone(keeper, AbortSignal.timeout(20_000));
  assert.deepEqual(await keptStop(files, directory.path), { kind: "expired" });
});
