// A program's frame: what becomes of output that cannot be written.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

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

test("a program whose end never comes is no success", () => {
  const never = `import { runMain } from ${JSON.stringify(frame)};
void runMain(() => new Promise(() => undefined));`;
  assert.equal(spawnSync(process.execPath, ["--input-type=module", "--eval", never]).status, 70);
});

test("a program that throws is no success", () => {
  const failing = `import { runMain } from ${JSON.stringify(frame)};
void runMain(() => Promise.reject(new Error("broken")));`;
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", failing], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /Error: broken/);
});

const slow = `import { runMain } from ${JSON.stringify(frame)};
await runMain(async (_, { stdout }, signal) => {
  const ended = new Promise((resolve) => signal.addEventListener("abort", resolve));
  const alive = setInterval(() => undefined, 1000);
  stdout.write("ready\\n");
  await ended;
  const cleans = process.argv[1] === "long" ? 60_000 : 50;
  await new Promise((resolve) => setTimeout(resolve, cleans));
  clearInterval(alive);
  stdout.write("cleaned\\n");
  return 1;
});`;

for (const { what, kind, gapMs, output } of [
  { what: "two signals at once leave time to clean up", kind: "short", gapMs: 0, output: "ready\ncleaned\n" },
  { what: "a second signal some time later ends at once", kind: "long", gapMs: 500, output: "ready\n" },
] as const) {
  test(what, { timeout: 30_000 }, async () => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", slow, kind], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "close");
    const printed: string[] = [];
    child.stdout.setEncoding("utf8").on("data", (text: string) => printed.push(text));
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    await sleep(gapMs);
    child.kill("SIGINT");
    const [code] = (await ended) as [number];
    assert.equal(printed.join(""), output);
    // Of two at once the system says which comes first.
    assert.ok(gapMs === 0 ? code === 143 || code === 130 : code === 130, String(code));
  });
}
