// The examples of docs/sdk.md, run as a reader runs them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findImageForHome, root } from "./testing/kelpie-command.ts";

const found = await findImageForHome();
const skip = "skip" in found ? found.skip : false;
const home = mkdtempSync(join(tmpdir(), "kelpie-ex-"));

describe("an example", { skip, timeout: 300_000 }, () => {
  before(() => {
    if (!("skip" in found)) found.makeHome(home);
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  for (const [name, printed] of [
    ["hello", /^hello from \d+\.\d+.* \{ kind: 'exited', code: 0, cause: 'own' \}\n$/],
    ["files", /^apple\nfig\npear\nwords\.txt 15\n$/],
    ["ai-agent", /^It is 42\.\n$/],
    ["lives-on", /^kept\nguest-shutdown\nguest-lost\n$/],
  ] as const) {
    test(`${name} prints what it says`, () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [`examples/${name}.ts`], {
        cwd: root,
        env: { ...process.env, KELPIE_HOME: home },
        encoding: "utf8",
        timeout: 120_000,
      });
      assert.equal(status, 0, stderr);
      assert.match(stdout, printed);
    });
  }
});
