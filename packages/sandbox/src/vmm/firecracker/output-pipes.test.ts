// The pipes of Firecracker's console and log.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import type { Command } from "../tied-command.ts";
import { withPipes } from "./output-pipes.ts";

const { clock, files, processes } = realPlatform;
const bytes = 40_000;

/** Writes byte after byte, does not wait where there is no room, and ends with what is left of its work. */
const hasty = `
  const { writeSync } = require("node:fs");
  void process.stdout; // It is told not to wait.
  let lost = 0;
  for (let at = 0; at < ${bytes}; at++) try { writeSync(1, "x"); } catch { lost++; }
  process.exit(lost === 0 ? 7 : 8);
`;

async function endOf({ program, args }: Command, cwd: string): Promise<unknown> {
  // Nobody reads what it writes.
  await using child = await processes.spawn(program, args, { cwd, stdin: "ignore" });
  return await child.exit;
}

test("a program that does not wait is refused nothing that it writes while nobody reads, and its end is told as its own", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const command = { program: process.execPath, args: ["-e", hasty] };
  // What a child of Node.js's has without the pipe.
  assert.deepEqual(await endOf(command, home.path), { kind: "exited", code: 8 });
  assert.deepEqual(await endOf(withPipes(command), home.path), { kind: "exited", code: 7 });
  assert.deepEqual(await files.list(home.path), []);
});

test("what is written through the pipe arrives", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const { program, args } = withPipes({ program: process.execPath, args: ["-e", hasty] });
  await using child = await processes.spawn(program, args, { cwd: home.path, stdin: "ignore" });
  let count = 0;
  for await (const chunk of child.stdout ?? []) count += (chunk as Uint8Array).length;
  assert.equal(count, bytes);
});

test("what is written to standard error arrives there, by its number and by its path", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const script = "echo one >&2; echo two >>/proc/self/fd/2";
  const { program, args } = withPipes({ program: "/bin/sh", args: ["-c", script] });
  await using child = await processes.spawn(program, args, { cwd: home.path, stdin: "ignore" });
  let text = "";
  for await (const chunk of child.stderr ?? []) text += String(chunk);
  assert.equal(text, "one\ntwo\n");
});

test("a program that is killed is told so, and nothing is left of its pipe", async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const command = { program: "/bin/sh", args: ["-c", "echo up; exec sleep 100"] };
  const { program, args } = withPipes(command);
  await using child = await processes.spawn(program, args, { cwd: home.path, stdin: "ignore" });
  const ended = new Promise((resolve) => child.stdout?.once("end", resolve));
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  child.kill("SIGKILL");
  assert.deepEqual(await child.exit, { kind: "signalled", signal: "SIGKILL" });
  using deadline = clock.deadline(5000, "The pipe's end");
  await Promise.race([ended, new Promise((_, reject) => deadline.signal.addEventListener("abort", reject))]);
  assert.deepEqual(await files.list(home.path), []);
});
