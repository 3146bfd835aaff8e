// The completion scripts, in the shells themselves.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { commands } from "../commands/index.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { type CommandWords, groups, nextWords, vocabulary } from "./vocabulary.ts";
import { zshCompletion } from "./zsh.ts";

const words = await vocabulary(commands);

const small: CommandWords[] = [
  {
    path: "go",
    summary: "Go: it's [there] $HOME `date`",
    passThrough: true,
    options: [{ long: "--arch", short: "-a", value: "architecture", help: "it's: $(date)" }],
  },
  {
    path: "list all",
    summary: "List",
    passThrough: false,
    options: [{ long: "--all", short: undefined, value: undefined, help: "All" }],
  },
];

function unlessInstalled(shell: string): string | false {
  return spawnSync(shell, ["--version"]).error === undefined ? false : `${shell} not installed`;
}

function bash(script: string, ...typed: string[]): string[] {
  const program = `${script}
COMP_WORDS=(kelpie "$@"); COMP_CWORD=$#; _kelpie; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync("bash", ["-c", program, "bash", ...typed], { encoding: "utf8" });
  return output.split("\n").filter((line) => line !== "");
}

test("the vocabulary has every command, and what completes each option's value", () => {
  assert.deepEqual(
    words.map(({ path }) => path),
    commands.map(({ path }) => path.join(" ")),
  );
  const build = words.find(({ path }) => path === "images build");
  assert.equal(build?.options.find(({ long }) => long === "--arch")?.value, "architecture");
  assert.equal(build.options.at(-1)?.long, "--help");
  assert.deepEqual(nextWords(small, ""), ["go", "list"]);
  assert.deepEqual(nextWords(small, "list"), ["all"]);
  assert.deepEqual(groups(small), ["list"]);
});

test("bash completes commands, options and values", { skip: unlessInstalled("bash") }, () => {
  const script = bashCompletion(words);
  assert.deepEqual(bash(script, "quick"), ["quickstart"]);
  assert.deepEqual(bash(script, "images", "li"), ["list"]);
  assert.deepEqual(bash(script, "images", "build", "--arc"), ["--arch"]);
  assert.deepEqual(bash(script, "images", "build", "--arch", "am"), ["amd64"]);
  assert.deepEqual(bash(script, "run", "--memory", ""), []);
  assert.deepEqual(bash(script, "no-such-command", ""), []);
  const small_ = bashCompletion(small);
  assert.deepEqual(bash(small_, ""), ["go", "list"]);
  assert.deepEqual(bash(small_, "go", "--", "list", ""), []);
});

test("bash completes every option of every command", { skip: unlessInstalled("bash") }, async () => {
  const script = bashCompletion(words);
  for (const entry of commands) {
    const { options } = await entry.load();
    const expected = [...Object.keys(options), "help"].map((name) => `--${name}`);
    assert.deepEqual(bash(script, ...entry.path, "--").sort(), expected.sort(), entry.path.join(" "));
  }
});

test("fish completes commands, options and values, and leaves a summary as it is", {
  skip: unlessInstalled("fish"),
}, () => {
  const complete = (list: readonly CommandWords[], line: string): string[] => {
    const program = `${fishCompletion(list)}\ncomplete -C ${JSON.stringify(line)}`;
    return execFileSync("fish", ["--no-config", "-c", program], { encoding: "utf8" }).trimEnd().split("\n");
  };
  assert.match(complete(words, "kelpie images li")[0] ?? "", /^list\t/);
  assert.match(complete(words, "kelpie images build --arc")[0] ?? "", /^--arch\t/);
  assert.deepEqual(complete(small, "kelpie g"), ["go\tGo: it's [there] $HOME `date`"]);
});

test("zsh takes the script, whatever a summary says", { skip: unlessInstalled("zsh") }, () => {
  for (const list of [words, small]) {
    const { status, stderr } = spawnSync("zsh", ["-f", "-n"], {
      input: zshCompletion(list),
      encoding: "utf8",
    });
    assert.deepEqual([status, stderr], [0, ""]);
  }
  const describes = `compdef() { : }; _describe() { print -rl -- "\${names[@]}" }
${zshCompletion(small)}
words=(kelpie ""); CURRENT=2; _kelpie`;
  const output = execFileSync("zsh", ["-f"], { input: describes, encoding: "utf8" });
  assert.deepEqual(output.trimEnd().split("\n"), [
    "go:Go\\: it's [there] $HOME `date`",
    "list:Commands about list",
  ]);
});
