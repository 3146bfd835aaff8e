// A program's frame: what becomes of output that cannot be written.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const frame = join(import.meta.dirname, "run-main.ts");
const program = `import { runMain } from ${JSON.stringify(frame)};
await runMain((_, { stdout }) => { stdout.write("something\\n"); return Promise.resolve(0); });`;

test("output that cannot be written is told in a line, and is a failure", {
  skip: existsSync("/dev/full") ? false : "there is no /dev/full",
}, () => {
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /^kelpie: The output cannot be written: ENOSPC.*\n$/);
});

test("output that nobody reads is no failure", () => {
  const line = `${process.execPath} --input-type=module --eval "$1" | true; exit \${PIPESTATUS[0]}`;
  const { status, stderr } = spawnSync("bash", ["-c", line, "bash", program], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
});
