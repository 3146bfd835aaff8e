// Where dates and commits come from.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { sourceIdentity } from "./source-identity.ts";

function withEpoch(value: string | undefined): Platform {
  const environment = { ...realPlatform.host.environment, SOURCE_DATE_EPOCH: value };
  return { ...realPlatform, host: { ...realPlatform.host, environment } };
}

async function inCheckout(body: (directory: string, gitSha: string) => Promise<void>): Promise<void> {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-git-");
  const git = (...args: readonly string[]): string =>
    execFileSync(
      "git",
      ["-C", directory.path, "-c", "user.name=t", "-c", "user.email=t@localhost", ...args],
      {
        encoding: "utf8",
        env: { ...process.env, GIT_COMMITTER_DATE: "2026-01-15T10:00:00Z" },
      },
    );
  git("init", "--quiet");
  git("commit", "--quiet", "--allow-empty", "--message", "first");
  await body(directory.path, git("rev-parse", "HEAD").trim());
}

test("a checkout's identity is its commit and the commit's time", () =>
  inCheckout(async (directory, gitSha) => {
    assert.deepEqual(await sourceIdentity(withEpoch(undefined), directory), {
      gitSha,
      epochSeconds: 1_768_471_200,
    });
  }));

test("SOURCE_DATE_EPOCH takes the place of the commit's time", () =>
  inCheckout(async (directory, gitSha) => {
    assert.deepEqual(await sourceIdentity(withEpoch("1000"), directory), { gitSha, epochSeconds: 1000 });
  }));

test("outside a checkout the commit is zeros and the time is 0", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-nogit-");
  assert.deepEqual(await sourceIdentity(withEpoch(""), directory.path), {
    gitSha: "0".repeat(40),
    epochSeconds: 0,
  });
});

for (const value of ["yesterday", "-1", "1.5", "253402300800", "1e3"]) {
  test(`SOURCE_DATE_EPOCH=${value} is refused`, async () => {
    await assert.rejects(
      sourceIdentity(withEpoch(value), "/"),
      (error) => KelpieError.is(error) && error.code === "usage",
    );
  });
}
