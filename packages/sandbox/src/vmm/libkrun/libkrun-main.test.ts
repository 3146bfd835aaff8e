// The process that becomes a machine, with a played libkrun: real FFI, real processes.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { KelpieError } from "@kelpie/platform";
import { type ChildReport, readReport } from "./child-report.ts";
import type { KrunSettings } from "./settings.ts";
import {
  compilePlayedLibkrun,
  type Play,
  type PlayedLibkrun,
  skipWithoutCompiler,
} from "./testing/played-libkrun.ts";
import { someSettings } from "./testing/some-settings.ts";

const main = join(import.meta.dirname, "libkrun-main.ts");
const floodBytes = 4 << 20;

interface Ended {
  readonly report: ChildReport | undefined;
  readonly code: number | null;
  readonly console: string;
  readonly words: string;
}

/** Runs it until it ends by itself. */
async function run(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const words: Buffer[] = [];
  child.stderr.on("data", (bytes: Buffer) => words.push(bytes));
  const closed = once(child, "close") as Promise<[number | null]>;
  const report = await readReport(child.stdout, AbortSignal.timeout(10_000));
  const console: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => console.push(bytes));
  child.stdout.resume();
  const [code] = await closed;
  return { report, code, console: Buffer.concat(console).toString(), words: Buffer.concat(words).toString() };
}

function errorOf({ report }: Ended): KelpieError {
  assert.ok(report?.kind === "failed", JSON.stringify(report));
  return report.error;
}

describe("the process of a libkrun machine", { skip: skipWithoutCompiler }, () => {
  const directory = mkdtempSync(join(tmpdir(), "kelpie-krun-"));
  const settingsFile = join(directory, "settings.json");
  const kernel = join(directory, "vmlinux");
  let library: PlayedLibkrun;
  let good: KrunSettings;

  before(() => {
    library = compilePlayedLibkrun(directory);
    const disk = join(directory, "disk");
    for (const file of [kernel, disk]) writeFileSync(file, "");
    good = {
      ...someSettings,
      library: library.path,
      kernel: { path: kernel, format: "elf" },
      initrd: null,
      disks: [{ name: "root", path: disk, format: "qcow2", readOnly: false }],
      vsock: { port: 5123, socket: join(directory, "agent") },
    };
  });
  after(() => rmSync(directory, { recursive: true }));

  const start = (settings: unknown, play: Play): Promise<Ended> => {
    library.play(play);
    writeFileSync(settingsFile, JSON.stringify(settings));
    return run(settingsFile);
  };

  test("each call reaches libkrun with its arguments unharmed, and the guest's end is the process's", async () => {
    const hard = 'quoted="ä\\ü" 💡 ' + "x".repeat(1900);
    const directories = [
      { tag: "kelpie-share-0", path: directory, readOnly: false },
      { tag: "kelpie-share-1", path: directory, readOnly: true },
    ];
    const before = library.calls().length;
    const ended = await start(
      { ...good, cpus: 255, memoryMiB: 16 << 20, commandLine: hard, directories },
      { exit: 3 },
    );
    assert.deepEqual(ended.report, { kind: "entering" });
    assert.equal(ended.code, 3);
    assert.equal(ended.console, "kelpie: init agent\n");
    assert.deepEqual(
      library
        .calls()
        .slice(before)
        .map(({ name, args }) => [name, ...args]),
      [
        ["krun_init_log", 2, 2, 2, 1],
        ["krun_create_ctx"],
        ["krun_set_vm_config", 7, 255, 16 << 20],
        ["krun_set_kernel", 7, kernel, 1, null, hard],
        ["krun_disable_implicit_console", 7],
        ["krun_add_serial_console_default", 7, -1, 1],
        ["krun_add_disk2", 7, "root", good.disks[0]?.path, 1, 0],
        ["krun_add_virtiofs", 7, "kelpie-share-0", directory],
        ["krun_add_virtiofs3", 7, "kelpie-share-1", directory, 0, 1],
        ["krun_disable_implicit_vsock", 7],
        ["krun_add_vsock", 7, 0],
        ["krun_add_vsock_port2", 7, 5123, good.vsock.socket, 1],
        ["krun_start_enter", 7],
      ],
    );
  });

  test("a library that is missing is told by the loader's words and the way to get it", async () => {
    const error = errorOf(await start({ ...good, library: "libkrun-of-nobody.so.1" }, {}));
    assert.equal(error.code, "missing-tool");
    assert.match(error.message, /libkrun-of-nobody/);
    assert.match(error.help ?? "", /dnf install libkrun/);
  });

  test("a file that is no library is told as one that cannot be loaded", async () => {
    const error = errorOf(await start({ ...good, library: settingsFile }, {}));
    assert.equal(error.code, "missing-tool");
  });

  test("a library without a function is told by the function and why that may be", async () => {
    const old = mkdtempSync(join(tmpdir(), "kelpie-krun-"));
    try {
      const { path } = compilePlayedLibkrun(old, "OLDER_THAN_1_18");
      assert.equal((await run("--find", path)).report?.kind, "found");
      const directories = [{ tag: "kelpie-share-0", path: "/", readOnly: true }];
      const error = errorOf(await start({ ...good, library: path, directories }, {}));
      assert.equal(error.code, "unsupported");
      assert.match(error.message, /krun_add_virtiofs3.*older than 1\.18/);
      const other = errorOf(await run("--find", "libc.so.6"));
      assert.equal(other.code, "unsupported");
      assert.match(other.message, /krun_/);
    } finally {
      rmSync(old, { recursive: true });
    }
  });

  test("a library that can be used is found, by the file that the system took", async () => {
    const found = await run("--find", library.path);
    assert.equal(found.code, 0);
    assert.ok(found.report?.kind === "found");
    assert.equal(found.report.file, library.path);
  });

  for (const [call, errno, name] of [
    ["krun_init_log", 22, "EINVAL"],
    ["krun_create_ctx", 12, "ENOMEM"],
    ["krun_set_kernel", 2, "ENOENT"],
    ["krun_add_disk2", 13, "EACCES"],
    ["krun_add_vsock_port2", 95, "EOPNOTSUPP|ENOTSUP"],
  ] as const) {
    test(`a failure of ${call} is told with its name and errno`, async () => {
      const error = errorOf(await start(good, { [call]: errno, exit: 0 }));
      assert.equal(error.code, "boot-failed");
      assert.match(error.message, new RegExp(`${call}.*-${errno} \\((${name})\\)`));
    });
  }

  test("a machine that libkrun does not start ends the process, and libkrun's own words stay", async () => {
    const ended = await start({ ...good, kernel: { path: "/nowhere/vmlinux", format: "elf" } }, {});
    assert.deepEqual(ended.report, { kind: "entering" });
    assert.equal(ended.code, 1);
    assert.match(ended.words, /cannot open \/nowhere\/vmlinux[^]*krun_start_enter.*EINVAL/);
  });

  for (const [what, text] of [
    ["no JSON", "{"],
    ["another shape", '{"library":"libc.so.6"}'],
    ["too long", JSON.stringify("x".repeat(300_000))],
  ] as const) {
    test(`settings that are ${what} are refused before anything is loaded`, async () => {
      writeFileSync(settingsFile, text);
      const before = library.calls().length;
      const error = errorOf(await run(settingsFile));
      assert.ok(error.code === "malformed" || error.code === "limit-exceeded", error.code);
      assert.equal(library.calls().length, before);
    });
  }

  test("settings that are not there are told", async () => {
    assert.equal(errorOf(await run(join(directory, "nothing"))).code, "not-found");
  });

  test("a console that nobody reads holds the guest up and loses nothing", async () => {
    library.play({ flood: floodBytes, exit: 0 });
    writeFileSync(settingsFile, JSON.stringify(good));
    const child: ChildProcess = spawn(process.execPath, [main, settingsFile], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { stdout } = child;
    assert.ok(stdout !== null);
    await readReport(stdout, AbortSignal.timeout(10_000));
    // The pipe is full long before: the guest stands still, and is alive.
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(child.exitCode, null);
    let bytes = 0;
    for await (const chunk of stdout) bytes += (chunk as Buffer).length;
    assert.equal(bytes, "kelpie: init agent\n".length + floodBytes);
  });

  test("a settings file that others may not read is read", async () => {
    library.play({ exit: 0 });
    writeFileSync(settingsFile, JSON.stringify(good));
    chmodSync(settingsFile, 0o400);
    assert.equal((await run(settingsFile)).code, 0);
    rmSync(settingsFile);
  });
});
