// What of a console is recorded when its process ends at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Files, realPlatform } from "@kelpie/platform";
import { ConsoleLog } from "../console-log.ts";
import { recordConsole } from "./record-console.ts";

const { clock, files, processes } = realPlatform;

test("the last words of a process that ends before its file is open are in the log and in the file", async () => {
  await using home = await files.temporaryDirectory("kelpie-console-");
  const path = `${home.path}/console.log`;
  await using child = await processes.spawn("/bin/sh", ["-c", "echo reboot: Power down"]);
  const slow: Files = {
    ...files,
    async open(...which) {
      await processes.gone(child.pid, AbortSignal.timeout(20_000));
      // Time in which Node.js sees the end, and throws away what nobody reads.
      await clock.sleep(100);
      return await files.open(...which);
    },
  };
  const log = new ConsoleLog();
  await recordConsole(slow, child, path, log);
  assert.equal(log.text(), "reboot: Power down\n");
  assert.equal(Buffer.from(await files.readFile(path, 100)).toString(), "reboot: Power down\n");
});
