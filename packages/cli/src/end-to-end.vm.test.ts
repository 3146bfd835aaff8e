// The command as its users run it: images of both architectures built from real packages, booted, and spoken to.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { kelpieIn, makeHome, root } from "./testing/kelpie-command.ts";

const minirootfs = (name: string): string =>
  join(root, "../shared/data/alpine", `alpine-minirootfs-3.19.4-${name}.tar.gz`);

const home = join(tmpdir(), `kelpie-e2e-${process.pid}`);
const { kelpie, succeeds } = kelpieIn(home);

before(() => makeHome(home));

after(() => rmSync(home, { recursive: true, force: true }));

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

for (const [architecture, machine] of [
  ["amd64", "x86_64"],
  ["arm64", "aarch64"],
] as const) {
  test(`a Debian image for ${architecture} is built and boots`, () => {
    const version = succeeds([
      "images",
      "build",
      "--spec",
      "images/kelpie-debian.yaml",
      "--arch",
      architecture,
    ])
      .trimEnd()
      .split("\n")
      .at(-1);
    const script = "uname -m; . /etc/os-release; echo $ID; cat /etc/kelpie-version; id -u; ls -d /workspace";
    const output = succeeds(["run", "--arch", architecture, "--", "sh", "-c", script]);
    assert.equal(output, `${machine}\ndebian\n${version ?? ""}\n0\n/workspace\n`);
  });

  const tarball = minirootfs(machine);
  test(`Alpine's own mini root file system for ${architecture} is built and boots`, {
    skip: existsSync(tarball) ? false : "the minirootfs is not on this machine",
  }, () => {
    succeeds([
      "images",
      "build",
      "--spec",
      "images/kelpie-minirootfs.yaml",
      "--arch",
      architecture,
      "--base-tarball",
      tarball,
    ]);
    const output = succeeds([
      "run",
      "--image",
      "kelpie-minirootfs",
      "--arch",
      architecture,
      "--",
      "cat",
      "/etc/alpine-release",
    ]);
    assert.equal(output, "3.19.4\n");
  });
}

test("dpkg in the guest knows every package, and finds every file as it was packed", () => {
  const script = "dpkg --list | grep -c ^ii; dpkg --verify; dpkg --audit";
  const { packages } = JSON.parse(
    succeeds(["images", "plan", "--spec", "images/kelpie-debian.yaml", "--arch", "amd64", "--json"]),
  ) as { packages: unknown[] };
  const output = succeeds(["run", "--arch", "amd64", "--image", "kelpie-debian", "--", "sh", "-c", script]);
  assert.equal(output, `${packages.length}\n`);
});

test("building again, at another place and time, gives the same root file system and initrd", async () => {
  const other = join(home, "elsewhere");
  makeHome(other);
  kelpieIn(other).succeeds(["images", "build", "--spec", "images/kelpie-debian.yaml", "--arch", "amd64"]);
  const image = readdirSync(join(other, "images")).find((name) => name.includes("debian")) ?? "";
  for (const file of ["rootfs.ext4", "initrd", "vmlinuz", "metadata.json"]) {
    const paths = [join(home, "images", image, file), join(other, "images", image, file)];
    const [first, second] = await Promise.all(paths.map(sha256));
    assert.equal(first, second, file);
  }
});

test("the store lists what was built, for people and for programs", () => {
  assert.match(succeeds(["images", "list"]), /^VERSION +ARCH +NAME +DISTRIBUTION +KERNEL +SIZE\n/);
  const { images } = JSON.parse(succeeds(["images", "list", "--json"])) as {
    images: { architecture: string; name: string }[];
  };
  const debian = images
    .filter(({ name }) => name === "kelpie-debian")
    .map(({ architecture }) => architecture);
  assert.deepEqual(debian.sort(), ["amd64", "arm64"]);
});

test("a command's input, output and errors pass through unchanged, byte for byte", () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7 + (index >> 8)) & 255));
  const { code, stdoutBytes, stderr } = kelpie(["run", "--", "sh", "-c", "cat; echo apart >&2"], bytes);
  assert.equal(code, 0);
  assert.ok(stdoutBytes.equals(bytes));
  assert.match(stderr, /^apart$/m);
});

for (const { what, args, code } of [
  { what: "its exit code", args: ["sh", "-c", "exit 7"], code: 7 },
  { what: "128 + the signal that ended it", args: ["sh", "-c", "kill -TERM $$"], code: 143 },
  { what: "127 where it is not found", args: ["no-such-program"], code: 127 },
  { what: "126 where it cannot be executed", args: ["/etc/passwd"], code: 126 },
] as const) {
  test(`run exits with ${what}`, () => assert.equal(kelpie(["run", "--", ...args]).code, code));
}

test("run exits with 124 at the timeout, having ended the whole process group", () => {
  const { code } = kelpie(["run", "--timeout", "1", "--", "sh", "-c", "sleep 600 & sleep 600"]);
  assert.equal(code, 124);
});

test("a sandbox has the variables, disk, processes and network that run was asked for", () => {
  const shape = ["--env", "COLOUR=blue", "--env", "SIZE=big", "--disk", "2G", "--pids", "100"];
  const script =
    "echo $COLOUR $SIZE; cat /sys/class/block/vda/size; cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/pids.max; ls /sys/class/net";
  const output = succeeds(["run", ...shape, "--net", "full", "--", "sh", "-c", script]);
  assert.equal(output, `blue big\n${2e9 / 512}\n100\neth0\nlo\n`);
});

for (const { what, args, code } of [
  { what: "an unknown option", args: ["run", "--no-such", "--", "true"], code: 2 },
  { what: "no command", args: ["run"], code: 2 },
  { what: "a memory that is none", args: ["run", "--memory", "lots", "--", "true"], code: 2 },
  { what: "an architecture that is none", args: ["run", "--arch", "riscv", "--", "true"], code: 2 },
  { what: "an image that is not there", args: ["run", "--image", "9.9", "--", "true"], code: 125 },
  { what: "a spec that is not there", args: ["images", "build", "--spec", "none.yaml"], code: 1 },
  { what: "a version that is none", args: ["images", "build", "--version", "1.x"], code: 2 },
  { what: "a command that is none", args: ["images", "burn"], code: 2 },
] as const) {
  test(`${what} is refused with exit code ${code} and a line that says so`, () => {
    const ended = kelpie(args);
    assert.equal(ended.code, code);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /^kelpie: .+/);
  });
}

test("nothing is left of all these sandboxes", () => {
  const sandboxes = join(home, "sandboxes");
  assert.deepEqual(existsSync(sandboxes) ? readdirSync(sandboxes) : [], []);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      assert.ok(!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(home), `process ${pid} is left`);
    } catch (error) {
      // It ended while we looked.
      if (error instanceof assert.AssertionError) throw error;
    }
  }
});
