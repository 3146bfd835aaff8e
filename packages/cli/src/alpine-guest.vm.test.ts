// An Alpine image, built through the network path from a mirror made of the real mini root's packages, judged by the apk in it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { type ApkJudge, apkJudge } from "../../repositories/src/alpine/testing/judge.ts";
import { createTestKey, makeIndex } from "../../repositories/src/alpine/testing/packages.ts";
import { repackInstalled } from "../../repositories/src/alpine/testing/repack.ts";
import { type Mirror, startMirror } from "../../repositories/src/testing/mirror.ts";
import { makeHome, root } from "./testing/kelpie-command.ts";

const home = await mkdtemp(join(tmpdir(), "kelpie-alpine-"));
const judge = await apkJudge();
const skip = judge.kind === "absent" ? judge.reason : false;
const resources = new AsyncDisposableStack();
const run = promisify(execFile);

/** Unlike the other tests' way to run it, this one lets the mirror in this process answer meanwhile. */
async function kelpie(...args: string[]): Promise<string> {
  const options = { cwd: root, env: { ...process.env, KELPIE_HOME: home }, maxBuffer: 64 << 20 };
  const { stdout } = await run(join(root, "kelpie"), args, options);
  return stdout;
}

before(() => {
  makeHome(home);
});

after(async () => {
  await resources.disposeAsync();
  await rm(home, { recursive: true, force: true });
});

async function mirrorOfMiniRoot(apk: ApkJudge): Promise<{ mirror: Mirror; keys: string; names: string[] }> {
  const key = createTestKey();
  const keys = join(home, "keys");
  await mkdir(keys, { recursive: true });
  await writeFile(join(keys, key.name), key.publicPem);
  const mirror = resources.use(await startMirror());
  const made = await repackInstalled(apk.root, key);
  for (const { record, bytes } of made)
    mirror.put(`/main/x86_64/${record.name}-${record.version}.apk`, bytes);
  const records = made.map(({ record }) => record);
  mirror.put("/main/x86_64/APKINDEX.tar.gz", await makeIndex(records, { key }));
  return { mirror, keys, names: records.map(({ name, version }) => `${name}-${version}`).sort() };
}

test("an Alpine image built from a signed mirror boots, and its own apk agrees with every file in it", {
  skip,
}, async () => {
  assert.ok(judge.kind === "present");
  const apk = resources.use(judge);
  const { mirror, keys, names } = await mirrorOfMiniRoot(apk);
  const spec = join(home, "alpine.yaml");
  const text = `
name: alpine-from-mirror
version: 1.0.0
distribution: alpine
repositories:
  alpine:
    - url: ${mirror.url}/main
  debian:
    release: bookworm
keys:
  alpine: [${keys}]
packages: [alpine-baselayout, alpine-keys, apk-tools, busybox, libc-utils]
kernel:
  source: debian
free: 32MiB
`;
  await writeFile(spec, text);
  await kelpie("images", "build", "--spec", spec, "--arch", "amd64");
  const script = [
    "apk info -v | sort",
    "echo --",
    "apk audit --system",
    "echo --",
    "apk fix --simulate --no-network --repositories-file /dev/null",
    "apk info --who-owns /bin/busybox",
  ].join("; ");
  const output = await kelpie("run", "--image", "alpine-from-mirror", "--", "sh", "-c", script);
  const [installed = "", changed = "", repaired = ""] = output.split("--\n");
  assert.deepEqual(installed.trim().split("\n"), names);
  assert.equal(changed, "");
  assert.match(repaired, /^OK: .*\n\/bin\/busybox is owned by busybox-/);
});
