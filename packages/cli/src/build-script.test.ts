// images/build.sh: the options that it takes, and how it refuses the others.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const script = join(import.meta.dirname, "../../../images/build.sh");

function build(args: readonly string[], env: Record<string, string> = {}): ReturnType<typeof spawnSync> {
  return spawnSync(script, args, {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    encoding: "utf8",
  });
}

test("--help shows every option", () => {
  const { status, stdout } = build(["--help"]);
  assert.equal(status, 0);
  for (const option of ["--arch", "--version", "--push", "--registry", "--help"])
    assert.ok(String(stdout).includes(option), option);
});

for (const [args, env, message] of [
  [["--frobnicate"], {}, /unknown option '--frobnicate'/],
  [["extra"], {}, /unknown option 'extra'/],
  [["--arch"], {}, /--arch needs a value/],
  [["--arch", "riscv64"], {}, /--arch must be arm64, amd64 or all: found 'riscv64'/],
  [[], { ARCH: "x86_64" }, /--arch must be arm64, amd64 or all: found 'x86_64'/],
  [["--push"], {}, /--push needs --registry/],
  [["--version", "1.0"], {}, /not a version/],
  [["--version=../1.0.0"], {}, /not a version/],
  [[], { VERSION: "a b" }, /not a version/],
] as const) {
  test(`one line and exit code 2 refuse: ${JSON.stringify(env)} build.sh ${args.join(" ")}`, () => {
    const { status, stdout, stderr } = build(args, env);
    assert.equal(status, 2, String(stderr));
    assert.equal(stdout, "");
    assert.match(String(stderr), message);
    assert.equal(String(stderr).trimEnd().split("\n").length, 1);
  });
}
