// A built image as a container: exported, unpacked by umoci, run by runc with kelpie-init as its first process.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findImage, formatImageVersion, ImageStore } from "@kelpie/images";
import { realPlatform } from "@kelpie/platform";
import { succeeds } from "./testing/kelpie-command.ts";
import { startTerminal } from "./testing/terminal.ts";

const home = process.env["KELPIE_HOME"] ?? join(homedir(), ".kelpie");
const architecture = realPlatform.host.architecture ?? "amd64";
const scratch = mkdtempSync(join(tmpdir(), "kelpie-container-vm-"));
const bundle = join(scratch, "bundle");
const waitMs = 60_000;
/** busybox's shell asks the terminal where its cursor is. */
const prompt = /# (\x1b\[6n)?$/;

interface Config {
  process: { terminal: boolean; args: string[] };
}

let asExported: Config;
let reason: string | false = false;
let version = "";

before(async () => {
  const tools = ["umoci", "runc", "skopeo", "script"];
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  const { images } = await new ImageStore(realPlatform, home).list();
  if (missing.length > 0) reason = `${missing.join(", ")} not installed`;
  else if (images.every((image) => image.architecture !== architecture)) reason = `no image in ${home}`;
  if (reason !== false) return;
  version = formatImageVersion(findImage(images, "latest", architecture).version);
  const archive = join(scratch, "image.tar");
  succeeds(home, ["images", "export", version, "--format", "oci", "--output", archive]);
  const layout = join(scratch, "layout");
  const steps: [string, ...string[]][] = [
    ["skopeo", "copy", "--quiet", `oci-archive:${archive}`, `oci:${layout}:one`],
    ["umoci", "unpack", "--rootless", "--image", `${layout}:one`, bundle],
  ];
  for (const [program, ...args] of steps) {
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: waitMs });
    assert.equal(status, 0, stderr);
  }
  asExported = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as Config;
  const { code, stderr } = run("true");
  if (code !== 0) reason = `this machine runs no containers: ${stderr.trim()}`;
});

after(() => rmSync(scratch, { recursive: true, force: true }));

let runs = 0;

/** The words that start the container with its process changed. */
function container(changes: Partial<Config["process"]>): [program: string, args: string[]] {
  const config = { ...asExported, process: { ...asExported.process, ...changes } };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
  runs += 1;
  const name = `kelpie-${process.pid}-${runs}`;
  return ["runc", ["--root", join(scratch, "runc"), "--rootless=true", "run", "--bundle", bundle, name]];
}

function run(...command: string[]): { code: number | null; stdout: string; stderr: string } {
  const [program, args] = container({ terminal: false, args: ["/sbin/init", ...command] });
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: waitMs });
  return { code: status, stdout, stderr };
}

test("the image's process is kelpie-init with a shell", (t) => {
  if (reason !== false) {
    t.skip(reason);
    return;
  }
  const [entrypoint, shell = ""] = asExported.process.args;
  assert.equal(entrypoint, "/sbin/init");
  assert.match(shell, /^\/bin\/(ba)?sh$/);
});

test("a command runs beneath kelpie-init, and its exit code is the container's", (t) => {
  if (reason !== false) {
    t.skip(reason);
    return;
  }
  const { code, stdout } = run("sh", "-c", "cat /etc/kelpie-version; readlink /proc/1/exe; pwd; exit 7");
  assert.deepEqual([code, stdout], [7, `${version}\n${realInit(stdout)}\n/workspace\n`]);
  assert.equal(run("sh", "-c", "kill -9 $$").code, 128 + 9);
  assert.equal(run("/no/such/command").code, 127);
  assert.match(run("ls", "/boot").stdout, /^initrd\nvmlinuz\n$/);
});

/** /sbin/init, or what it is where /sbin is a link. */
function realInit(stdout: string): string {
  const [, line = ""] = stdout.split("\n");
  assert.match(line, /^(\/usr)?\/sbin\/init$/);
  return line;
}

test("in a container kelpie-init mounts nothing", (t) => {
  if (reason !== false) {
    t.skip(reason);
    return;
  }
  const [program, args] = container({ terminal: false, args: ["cat", "/proc/mounts"] });
  const without = spawnSync(program, args, { encoding: "utf8", timeout: waitMs }).stdout;
  assert.ok(without.includes(" /proc proc "));
  assert.equal(run("cat", "/proc/mounts").stdout, without);
});

test("on a terminal the image is a shell: it echoes, interrupts with Ctrl-C and ends with Ctrl-D", async (t) => {
  if (reason !== false) {
    t.skip(reason);
    return;
  }
  await using terminal = startTerminal(...container({ terminal: true }), waitMs);
  await terminal.seen(prompt);
  terminal.type("echo $((6*7)) on $(tty)\n");
  await terminal.seen(/\n42 on \/dev\/\S+/);
  // The shell owns the terminal, or Ctrl-C would end nothing.
  // The program says so itself: it is in the terminal's foreground by then.
  terminal.type("sh -c 'echo star\"\"ted; exec sleep 1000'\n");
  await terminal.seen(/\nstarted\r\n/);
  terminal.type("\u0003");
  await terminal.seen(prompt);
  terminal.type("echo status $?\n");
  await terminal.seen(/\nstatus 130\r\n.*# (\x1b\[6n)?$/s);
  terminal.type("false\n");
  await terminal.seen(/false\r\n.*# (\x1b\[6n)?$/s);
  terminal.type("\u0004");
  assert.equal(await terminal.exitCode(), 1);
});

test("signals reach the command: one that handles it ends in its own way, any other by the signal", async (t) => {
  if (reason !== false) {
    t.skip(reason);
    return;
  }
  const handling = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  for (const [script, output, ending] of [
    [handling, "ready\ncaught\n", 5],
    ["echo ready; exec sleep 1000", "ready\n", 128 + 15],
  ] as const) {
    const [program, args] = container({ terminal: false, args: ["/sbin/init", "sh", "-c", script] });
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], timeout: waitMs });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      // Only once it runs is there something to signal.
      if (said === "") child.kill("SIGTERM");
      said += text;
    });
    const [code] = (await once(child, "close")) as [number | null];
    assert.deepEqual([said, code], [output, ending]);
  }
});
