// The sandbox commands as people run them, each a process of its own, on a guest that lives on between them.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import {
  type Ended,
  findImageForHome,
  kelpie as runKelpie,
  root,
  succeeds as mustSucceed,
} from "./testing/kelpie-command.ts";

const found = await findImageForHome();
const skip = "skip" in found ? found.skip : false;
const version = "skip" in found ? "" : found.version;

// Short, for a socket's path.
const home = mkdtempSync(join(tmpdir(), "kelpie-sb-"));
const kelpie = (args: readonly string[], input?: string): Ended =>
  runKelpie(home, ["sandbox", ...args], input);
const succeeds = (...args: readonly string[]): string => mustSucceed(home, ["sandbox", ...args]);
const exec = (script: string): string => succeeds("exec", "one", "--", "sh", "-c", script);

/** The command as a process that goes on while we do something else. */
function background(args: readonly string[]): {
  done: Promise<{ code: number | null; out: string }>;
  signal: (name: NodeJS.Signals) => void;
} {
  const child = spawn(process.execPath, ["packages/cli/src/main.ts", "sandbox", ...args], {
    cwd: root,
    env: { ...process.env, KELPIE_HOME: home },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const done = Promise.all([ended, text(child.stdout)]).then(([code, out]) => ({ code, out }));
  return { done, signal: (name) => child.kill(name) };
}

interface Shown {
  readonly id: string;
  readonly name: string;
  readonly state: { readonly kind: string; readonly reason?: string };
  readonly keeperPid: number;
  readonly monitorPid: number;
}

/** Of one image and one shape, so that one template serves them all. */
const create = (...args: readonly string[]): string =>
  succeeds("create", "--image", version, "--memory", "256", ...args).trim();
const inspect = (name: string): Shown => {
  const { sandboxes } = JSON.parse(succeeds("inspect", name)) as { sandboxes: [Shown] };
  return sandboxes[0];
};

describe("a sandbox that lives on", { skip, timeout: 300_000 }, () => {
  before(() => {
    if (!("skip" in found)) found.makeHome(home);
    const options = ["--ttl", "10m", "--env", "COLOUR=blue", "--pids", "200"];
    assert.equal(create("--name", "one", ...options), "one");
  });

  after(() => {
    for (const name of succeeds("list", "--quiet").split("\n").filter(Boolean))
      kelpie(["rm", "--force", name]);
    rmSync(home, { recursive: true, force: true });
  });

  test("runs commands with their own ends, streams and environment", () => {
    const ended = kelpie(
      [
        "exec",
        "-i",
        "-e",
        "SIZE=big",
        "-w",
        "/tmp",
        "one",
        "--",
        "sh",
        "-c",
        "cat; pwd; echo $COLOUR $SIZE; echo err >&2; exit 7",
      ],
      "in\n",
    );
    assert.equal(ended.stdout, "in\n/tmp\nblue big\n");
    assert.equal(ended.code, 7);
    assert.match(ended.stderr, /^err$/m);
    assert.equal(kelpie(["exec", "one", "--", "no-such-program"]).code, 127);
    assert.equal(kelpie(["exec", "--timeout", "0.3", "one", "--", "sleep", "100"]).code, 124);
    assert.equal(exec("hostname"), "one\n");
  });

  test("serves processes at the same time, and what one writes another sees", async () => {
    const pair = ["a", "b"].map((name) =>
      background([
        "exec",
        "one",
        "--",
        "sh",
        "-c",
        `echo ${name} >/tmp/${name}; until [ -e /tmp/a ] && [ -e /tmp/b ]; do sleep 0.05; done; echo met`,
      ]),
    );
    for (const { done } of pair) assert.deepEqual(await done, { code: 0, out: "met\n" });
  });

  test("passes signals on, and the exit code is what the command makes of them", async () => {
    const one = background([
      "exec",
      "one",
      "--",
      "sh",
      "-c",
      'trap "echo got; exit 9" INT; echo >/tmp/armed; while :; do sleep 0.05; done',
    ]);
    exec("until [ -e /tmp/armed ]; do sleep 0.05; done");
    one.signal("SIGINT");
    assert.deepEqual(await one.done, { code: 9, out: "got\n" });
  });

  test("lets a command go on by itself, to be attached to with what it wrote before", () => {
    const id = succeeds(
      "exec",
      "--detach",
      "one",
      "--",
      "sh",
      "-c",
      "echo one; echo two; sleep 0.3; exit 4",
    ).trim();
    const whole = kelpie(["attach", "--no-stdin", "one", id]);
    assert.deepEqual([whole.code, whole.stdout], [4, "one\ntwo\n"]);
    const rest = kelpie(["attach", "--no-stdin", "--stdout-offset", "4", "one", id]);
    assert.deepEqual([rest.code, rest.stdout], [4, "two\n"]);
  });

  test("gives a shell a terminal of the size of ours", {
    skip: spawnSync("script", ["--version"]).status === 0 ? false : "script (util-linux) is not installed",
  }, () => {
    const line = `stty rows 33 cols 101; exec ${process.execPath} packages/cli/src/main.ts sandbox shell one`;
    const { stdout, status } = spawnSync("script", ["-qec", line, "/dev/null"], {
      cwd: root,
      env: { ...process.env, KELPIE_HOME: home },
      input: "stty size; exit 5\n",
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.match(stdout, /33 101/);
    assert.equal(status, 5);
  });

  test("takes files and directories and gives them back as they were", () => {
    const from = join(home, "from");
    mkdirSync(join(from, "sub"), { recursive: true });
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3));
    writeFileSync(join(from, "sub/data"), content);
    writeFileSync(join(from, "a.txt"), "a");
    succeeds("cp", from, "one:/root/");
    assert.equal(succeeds("cp", "one:/root/from/a.txt", "-"), readFileSync(join(from, "a.txt"), "utf8"));
    kelpie(["cp", "-", "one:/root/typed-in"], "typed");
    assert.equal(exec("cat /root/typed-in"), "typed");
    succeeds("cp", join(from, "a.txt"), "one:/root/renamed");
    assert.equal(exec("cat /root/renamed /root/from/a.txt; ls /root/from/sub"), "aadata\n");
    succeeds("cp", "one:/root/f*", "one:/root/renamed", join(home, "to/"));
    assert.ok(readFileSync(join(home, "to/from/sub/data")).equals(content));
    assert.equal(readFileSync(join(home, "to/renamed"), "utf8"), "a");
  });

  test("stands still while it is paused, says so, and goes on", () => {
    succeeds("pause", "one");
    assert.equal(inspect("one").state.kind, "paused");
    const refused = kelpie(["exec", "one", "--", "true"]);
    assert.deepEqual([refused.code, /is paused/.test(refused.stderr)], [125, true]);
    succeeds("resume", "one");
    assert.equal(exec("echo on"), "on\n");
  });

  test("says what it uses and what it has written", () => {
    const { sandboxes } = JSON.parse(succeeds("stats", "--json")) as {
      sandboxes: { name: string; health: { processes: number } }[];
    };
    assert.deepEqual(
      sandboxes.map(({ name, health }) => [name, health.processes > 1]),
      [["one", true]],
    );
    assert.match(succeeds("logs", "--agent", "one"), /agent ready/);
    exec("echo to the console >/dev/console");
    assert.match(succeeds("logs", "one"), /to the console/);
  });

  test("keeps its image from being removed", () => {
    const removed = runKelpie(home, ["images", "remove", version]);
    assert.notEqual(removed.code, 0);
    assert.match(removed.stderr, /in use/);
  });

  test("is told truthfully when its QEMU is killed, and cleaned up", () => {
    const second = create();
    process.kill(inspect(second).monitorPid, "SIGKILL");
    const list = succeeds("list");
    assert.match(list, new RegExp(`${second} +failed \\(.*SIGKILL`));
    assert.notEqual(kelpie(["exec", second, "--", "true"]).code, 0);
    assert.match(succeeds("gc", "--dry-run"), new RegExp(`^${second} `, "m"));
    assert.match(succeeds("gc"), new RegExp(`^${second} `, "m"));
    assert.deepEqual(succeeds("list", "--quiet"), "one\n");
  });

  test("ends at its time to live and leaves nothing where that was asked for", async () => {
    const name = create("--ttl", "3s", "--rm");
    const { keeperPid } = inspect(name);
    await realPlatform.processes.gone(keeperPid, AbortSignal.timeout(20_000));
    assert.deepEqual(succeeds("list", "--quiet"), "one\n");
  });

  test("powers off when it is stopped, and is gone when it is removed", () => {
    assert.notEqual(kelpie(["rm", "one"]).code, 0, "one that runs is not removed without force");
    succeeds("stop", "one");
    assert.deepEqual(inspect("one").state, { kind: "stopped", reason: "the guest powered off" });
    succeeds("rm", "one");
    assert.equal(succeeds("list", "--quiet"), "");
  });
});
