// A tied process is gone when its owner is, however that ended: tried by killing real owners.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { tieByPipe, tieToUs } from "./tied-command.ts";

const { processes, clock } = realPlatform;

/** An owner in a process group of its own that ties `sleep` to itself, prints the sleeper's id and waits. */
const ownerScript = (how: "tieToUs" | "tieByPipe"): string => `
  import { ${how} } from ${JSON.stringify(import.meta.resolve("./tied-command.ts"))};
  import { realPlatform } from "@kelpie/platform";
  const sleeper = { program: "sh", args: ["-c", "echo $$; exec sleep 1000"] };
  const tied = await ${how === "tieToUs" ? "tieToUs(realPlatform, sleeper)" : "tieByPipe(sleeper)"};
  await realPlatform.processes.spawn(tied.program, tied.args, {
    stdin: tied.needsStdinPipe ? "pipe" : "ignore", stdout: "inherit", ownGroup: true,
  });
  setInterval(() => undefined, 1000);
`;

for (const how of ["tieToUs", "tieByPipe"] as const) {
  for (const whom of ["the owner", "the owner's process group"] as const) {
    test(`kill -9 of ${whom} ends a process tied by ${how}`, { timeout: 20_000 }, async () => {
      const owner = spawn(process.execPath, ["--input-type=module", "-e", ownerScript(how)], {
        detached: true,
        cwd: import.meta.dirname,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(owner.stdout, "data")) as [Buffer];
      const sleeper = Number(line.toString());
      assert.ok(processes.isAlive(sleeper));
      const pid = owner.pid ?? assert.fail("the owner did not start");
      process.kill(whom === "the owner" ? pid : -pid, "SIGKILL");
      await gone(sleeper);
    });
  }
}

test("the shell that ties a process passes its exit code and its output on", async () => {
  const tied = tieByPipe({ program: "sh", args: ["-c", "echo out; exit 7"] });
  await using child = await processes.spawn(tied.program, tied.args, { stdin: "pipe" });
  const output: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => output.push(bytes));
  assert.deepEqual(await child.exit, { kind: "exited", code: 7 });
  assert.equal(Buffer.concat(output).toString(), "out\n");
});

test("on Linux a tied process is the program itself, so that its id and its end are the program's", async () => {
  const tied = await tieToUs(
    { processes, host: { ...realPlatform.host, operatingSystem: "linux" } },
    { program: "sh", args: ["-c", "kill -TERM $$"] },
  );
  await using child = await processes.spawn(tied.program, tied.args);
  assert.deepEqual(await child.exit, { kind: "signalled", signal: "SIGTERM" });
});

async function gone(pid: number): Promise<void> {
  while (processes.isAlive(pid)) await clock.sleep(20);
}
