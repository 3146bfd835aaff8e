// The start of ./kelpie in a checkout that is made here: what is found out once, and what makes it find out anew.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

const script = join(import.meta.dirname, "start.sh");
const home = join(import.meta.dirname, "home.sh");

/** A checkout whose setup, bundler and Node.js write what they do to a log. */
class Checkout implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "kelpie-start-"));

  constructor(bundler = "mkdir -p $2 && echo bundle >> $root/log && touch $2/main.mjs") {
    this.write("node", `#!/bin/sh\nroot=${this.root}\n${bundler}\n`);
    chmodSync(join(this.root, "node"), 0o755);
    this.write("tools/setup.sh", `echo setup >> ${this.root}/log; node=${this.root}/node\n`);
    this.write("tools/start/bundle.ts", "");
    this.write("tools/start/home.sh", readFileSync(home, "utf8"));
    this.write("tools/node/package-lock.json", "");
    this.write("package-lock.json", "");
    this.write("packages/cli/src/main.ts", "");
    this.age();
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** Everything is from yesterday. */
  age(): void {
    const yesterday = new Date(Date.now() - 86_400_000);
    const paths = execFileSync("find", [this.root], { encoding: "utf8" }).trimEnd().split("\n");
    for (const path of paths) utimesSync(path, yesterday, yesterday);
  }

  /** What the start runs, and what was done for it. */
  start(...words: string[]): { readonly program: string; readonly done: string } {
    rmSync(join(this.root, "log"), { force: true });
    const program = this.run('printf %s "$program"', words);
    const done = execFileSync("sh", ["-c", `cat ${this.root}/log 2>/dev/null || true`], { encoding: "utf8" });
    return { program: program.replace(this.root, ""), done };
  }

  /** What a line of shell says after the start. */
  run(line: string, words: readonly string[] = [], environment: NodeJS.ProcessEnv = {}): string {
    const command = `set -eu; root=${this.root}; . ${script}; ${line}`;
    const env = { PATH: process.env["PATH"], HOME: this.root, ...environment };
    return execFileSync("sh", ["-c", command, "sh", ...words], { encoding: "utf8", env });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

test("the first start sets up and bundles, and the next one does neither", () => {
  using checkout = new Checkout();
  const first = checkout.start();
  assert.equal(first.done, "setup\nbundle\n");
  assert.match(first.program, /^\/node_modules\/\.cache\/kelpie-bundle-.*\/main\.mjs$/);
  assert.deepEqual(checkout.start(), { program: first.program, done: "" });
});

test("kelpie run starts from a file of its own, where the bundle has one", () => {
  using checkout = new Checkout("mkdir -p $2 && touch $2/main.mjs $2/run.cjs");
  assert.match(checkout.start("run", "--", "true").program, /\/run\.cjs$/);
  assert.match(checkout.start("sandbox", "run").program, /\/main\.mjs$/);
  using other = new Checkout();
  assert.match(other.start("run").program, /\/main\.mjs$/);
});

test("what is compiled of a bundle is kept in it, unless somebody says where", () => {
  using checkout = new Checkout();
  const { program } = checkout.start();
  const line = 'printf %s "$NODE_COMPILE_CACHE"';
  assert.equal(checkout.run(line), join(checkout.root, dirname(program), "compiled"));
  const mine = join(checkout.root, "mine");
  assert.equal(checkout.run(line, [], { NODE_COMPILE_CACHE: mine }), mine);
});

for (const changed of [
  "packages/cli/src/main.ts",
  "packages/cli/src/new.ts",
  "package-lock.json",
  "tools/start/bundle.ts",
]) {
  test(`a change of ${changed} makes a new bundle`, () => {
    using checkout = new Checkout();
    checkout.start();
    checkout.write(changed, "changed");
    assert.equal(checkout.start().done, "setup\nbundle\n");
  });
}

test("a bundle that was removed is made anew", () => {
  using checkout = new Checkout();
  const { program } = checkout.start();
  rmSync(join(checkout.root, program));
  assert.equal(checkout.start().done, "setup\nbundle\n");
});

test("where no bundle can be made the sources are run, and it is not tried at each start", () => {
  using checkout = new Checkout("echo tried >> $root/log; exit 1");
  assert.deepEqual(checkout.start(), { program: "/packages/cli/src/main.ts", done: "setup\ntried\n" });
  assert.deepEqual(checkout.start(), { program: "/packages/cli/src/main.ts", done: "" });
});

test("a checkout that cannot be written to runs from its sources", () => {
  using checkout = new Checkout();
  writeFileSync(join(checkout.root, "node_modules"), "a file where the directory would be");
  assert.deepEqual(checkout.start(), { program: "/packages/cli/src/main.ts", done: "setup\n" });
});

test("the command itself is found through a link and from another directory", () => {
  const root = join(import.meta.dirname, "../..");
  using checkout = new Checkout();
  const link = join(checkout.root, "link");
  execFileSync("ln", ["-s", join(root, "kelpie"), link]);
  assert.match(execFileSync(link, ["help"], { encoding: "utf8", cwd: "/" }), /Usage: kelpie COMMAND/);
});

for (const { what, environment, found } of [
  { what: "absolute as it is", environment: { KELPIE_HOME: "/a b", HOME: "/home/x" }, found: "/a b" },
  {
    what: "relative from where we are",
    environment: { KELPIE_HOME: "here", HOME: "/home/x" },
    found: "/here",
  },
  { what: "in HOME", environment: { HOME: "/home/x" }, found: "/home/x/.kelpie" },
  {
    what: "the account's, where HOME is empty",
    environment: { HOME: "" },
    found: `${userInfo().homedir}/.kelpie`,
  },
  { what: "the account's, where HOME is absent", environment: {}, found: `${userInfo().homedir}/.kelpie` },
]) {
  test(`Kelpie's home is ${what}, to the scripts and to the programs`, () => {
    const env = { ...environment, PATH: process.env["PATH"] };
    const script = `set -eu; cd /; . ${home}; printf %s "$kelpie_home"`;
    assert.equal(execFileSync("sh", ["-c", script], { encoding: "utf8", env }), found);
    const program = `import { kelpieHome, realPlatform } from "@kelpie/platform"; 
      process.stdout.write(kelpieHome({ ...realPlatform.host, workingDirectory: "/" }));`;
    const node = ["--input-type=module", "--eval", program];
    assert.equal(
      execFileSync(process.execPath, node, { encoding: "utf8", env, cwd: import.meta.dirname }),
      found,
    );
  });
}
