// Every kind of place that KELPIE_HOME can name, and what commands make of it: promptly, and in words that name the place.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { root } from "./testing/kelpie-command.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-homes-"));
const at = (name: string): string => join(scratch, name);
/** Some homes were waited for without end. */
const promptMs = 60_000;

before(() => {
  writeFileSync(at("file"), "");
  symlinkSync("loop", at("loop"));
  symlinkSync("nowhere", at("dangling"));
  mkdirSync(at("real"));
  symlinkSync("real", at("link"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function kelpie(
  home: string,
  ...args: readonly string[]
): { readonly code: number | null; readonly text: string } {
  const env: NodeJS.ProcessEnv = { ...process.env, KELPIE_HOME: home };
  // Not the test's own: what makes it is tried, too.
  delete env["NODE_COMPILE_CACHE"];
  const { status, stdout, stderr } = spawnSync(join(root, "kelpie"), args, {
    ...{ env, cwd: root, input: "", encoding: "utf8", timeout: promptMs },
  });
  return { code: status, text: `${stdout}${stderr}` };
}

interface Place {
  readonly what: string;
  readonly home: () => string;
  /** What a command that only looks says; else that there is nothing yet. */
  readonly look?: RegExp;
  /** What a command that keeps something says; else it succeeds. */
  readonly keep?: RegExp;
  /** What the doctor says of it, where it is asked. */
  readonly doctor?: RegExp;
}

const refused =
  /^kelpie: Cannot create directory .*\n {2}Set KELPIE_HOME to a directory that you can write\.$/m;
const broken = /^BROKEN +KELPIE_HOME .*/m;
const noDirectory = /^kelpie: KELPIE_HOME is no directory \(.*\): .*found a file$/m;
const loops = /^kelpie: KELPIE_HOME cannot be used: .*\(ELOOP\)$/m;

const places: readonly Place[] = [
  {
    what: "a place in /proc, where nothing can be made",
    home: () => "/proc/kelpie",
    keep: refused,
    doctor: broken,
  },
  {
    what: "a place in /sys, where nothing can be made",
    home: () => "/sys/kelpie/home",
    keep: refused,
    doctor: broken,
  },
  { what: "a file", home: () => at("file"), look: noDirectory, keep: noDirectory, doctor: broken },
  { what: "a place in a file", home: () => at("file/home"), keep: refused, doctor: broken },
  { what: "a symlink to itself", home: () => at("loop"), look: loops, keep: loops, doctor: broken },
  { what: "a symlink to nothing", home: () => at("dangling"), keep: refused, doctor: broken },
  { what: "a symlink to a directory", home: () => at("link") },
  { what: "a relative path", home: () => relative(root, at("here")) },
  { what: "a path with spaces, commas and quotes", home: () => at("a b,c=d'e\"f") },
  { what: "a path with a line break", home: () => at("new\nline") },
  { what: "a path in other letters", home: () => at("ключ-漢字-é") },
  { what: "a path longer than a socket's", home: () => at("x".repeat(120)), doctor: broken },
];

test("what needs no KELPIE_HOME does not mind a wrong one", () => {
  for (const args of [["--version"], ["completion", "bash"], ["schema", "error"], ["run", "--help"]]) {
    const { code, text } = kelpie(at("file"), ...args);
    assert.equal(code, 0, `${args.join(" ")}: ${text}`);
  }
});

for (const { what, home, look, keep, doctor } of places) {
  describe(`KELPIE_HOME as ${what}`, { skip: process.platform === "linux" ? false : "Linux's /proc" }, () => {
    test("is looked at", () => {
      const { code, text } = kelpie(home(), "images", "list");
      assert.match(text, look ?? /^There are no images yet/m);
      assert.equal(code, look === undefined ? 0 : 1);
    });

    test("keeps what is to be kept, or says why not and what to do", () => {
      const { code, text } = kelpie(home(), "keys", "generate", "one");
      if (keep !== undefined) assert.match(text, keep);
      assert.equal(code, keep === undefined ? 0 : 1, text);
      if (keep === undefined) assert.ok(existsSync(resolve(root, home(), "keys")));
    });

    if (doctor === undefined) return;
    test("is judged by the doctor", () => {
      assert.match(kelpie(home(), "doctor").text, doctor);
    });
  });
}
