// kelpie images init, as a person meets it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadSpec } from "@kelpie/images";
import { realPlatform } from "@kelpie/platform";
import { root } from "../testing/kelpie-command.ts";

function init(directory: string, args: readonly string[]): { status: number | null; stderr: string } {
  return spawnSync(join(root, "kelpie"), ["images", "init", ...args], { cwd: directory, encoding: "utf8" });
}

function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "kelpie-init-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

for (const distribution of ["alpine", "debian"] as const) {
  test(`a spec for ${distribution} is written that can be read, with all that it refers to`, async () => {
    using directory = scratch();
    const { status, stderr } = init(directory.path, ["new/tools.yaml", "--distribution", distribution]);
    assert.equal(status, 0, stderr);
    const spec = await loadSpec(realPlatform, join(directory.path, "new/tools.yaml"), "arm64");
    assert.equal(spec.name, "tools");
    assert.equal(spec.distribution, distribution);
    for (const path of [...spec.keys.alpine, ...spec.keys.debian])
      assert.ok(readdirSync(path).length > 0, path);
    assert.equal(spec.keys.alpine.length, distribution === "alpine" ? 1 : 0);
  });
}

test("a spec that is there already stays as it is", () => {
  using directory = scratch();
  writeFileSync(join(directory.path, "mine.yaml"), "name: mine\n");
  const { status, stderr } = init(directory.path, ["mine.yaml"]);
  assert.equal(status, 1);
  assert.match(stderr, /mine\.yaml/);
  assert.equal(readFileSync(join(directory.path, "mine.yaml"), "utf8"), "name: mine\n");
});

test("a name that no image can have leaves nothing behind", () => {
  using directory = scratch();
  const { status, stderr } = init(directory.path, ["My Image.yaml"]);
  assert.equal(status, 1);
  assert.match(stderr, /lower-case letters/);
  assert.deepEqual(readdirSync(directory.path), []);
});

test("a distribution that is not known is refused with those that are", () => {
  using directory = scratch();
  const { status, stderr } = init(directory.path, ["--distribution", "arch"]);
  assert.equal(status, 2);
  assert.match(stderr, /alpine or debian/);
});
