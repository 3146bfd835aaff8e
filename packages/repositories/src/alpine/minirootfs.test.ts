// The real minirootfs, taken apart into a mirror, built again through the whole network path, and judged by the real apk.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { realPlatform } from "@kelpie/platform";
import { startMirror } from "../testing/mirror.ts";
import type { AlpineArchive } from "./archive.ts";
import { alpineDatabase } from "./database.ts";
import { readInstalled } from "./installed.ts";
import { mergePackages } from "./merge.ts";
import { openAlpineRepositories } from "./repository.ts";
import { extractTree } from "./testing/extract.ts";
import { apkJudge } from "./testing/judge.ts";
import { createTestKey, makeIndex } from "./testing/packages.ts";
import { repackInstalled } from "./testing/repack.ts";

const run = promisify(execFile);

test("a root built from a mirror of the minirootfs is one that apk finds nothing wrong with", async (context) => {
  const judge = await apkJudge();
  if (judge.kind === "absent") {
    context.skip(judge.reason);
    return;
  }
  await using apk = judge;
  await using mirror = await startMirror();
  const key = createTestKey();
  const made = await repackInstalled(apk.root, key);
  for (const { record, bytes } of made)
    mirror.put(`/main/x86_64/${record.name}-${record.version}.apk`, bytes);
  mirror.put(
    "/main/x86_64/APKINDEX.tar.gz",
    await makeIndex(
      made.map(({ record }) => record),
      { key },
    ),
  );

  const repository = await openAlpineRepositories({
    platform: realPlatform,
    cacheDirectory: join(apk.root, "srv/cache"),
    repositories: [{ url: `${mirror.url}/main` }],
    architecture: "amd64",
    keys: new Map([[key.name, key.publicPem]]),
  });
  const world = ["alpine-baselayout", "alpine-keys", "apk-tools", "busybox", "libc-utils"];
  const { packages } = repository.resolve(world);
  assert.deepEqual(packages.map(({ name }) => name).sort(), made.map(({ record }) => record.name).sort());
  const archives: AlpineArchive[] = [];
  for (const chosen of packages) archives.push(await repository.fetch(chosen));
  const { tree, owners } = mergePackages(archives);
  for (const { path, node } of await alpineDatabase({
    archives,
    owners,
    world,
    machine: "x86_64",
    mtimeSeconds: 0,
  }))
    tree.put(path, node);
  await extractTree(tree.entries(), join(apk.root, "srv/built"));

  // The same root, installed by apk itself from the same mirror's files.
  const packagesPath = join(apk.root, "srv/packages/x86_64");
  await mkdir(packagesPath, { recursive: true });
  await writeFile(join(apk.root, "etc/apk/keys", key.name), key.publicPem);
  for (const { record, bytes } of made)
    await writeFile(join(packagesPath, `${record.name}-${record.version}.apk`), bytes);
  await writeFile(
    join(packagesPath, "APKINDEX.tar.gz"),
    await makeIndex(
      made.map(({ record }) => record),
      { key },
    ),
  );
  const files = made.map(({ record }) => `/srv/packages/x86_64/${record.name}-${record.version}.apk`);
  const verified = await apk.run(["apk", "verify", ...files]);
  assert.equal(verified.code, 0, verified.stderr);
  await mkdir(join(apk.root, "srv/theirs/etc/apk"), { recursive: true });
  await run("cp", ["-r", join(apk.root, "etc/apk/keys"), join(apk.root, "srv/theirs/etc/apk/keys")]);
  const installed = await apk.run(
    [
      "apk",
      "add",
      "--root",
      "/srv/theirs",
      "--initdb",
      "--arch",
      "x86_64",
      "--no-network",
      "--no-scripts",
    ].concat(["--repository", "/srv/packages", ...world]),
  );
  assert.equal(installed.code, 0, installed.stderr);

  // apk reads our database, and finds every file as the database says.
  const audit = await apk.run(["apk", "audit", "--root", "/srv/built", "--system", "--full", "--recursive"]);
  const theirAudit = await apk.run([
    "apk",
    "audit",
    "--root",
    "/srv/theirs",
    "--system",
    "--full",
    "--recursive",
  ]);
  assert.equal(audit.code, 0, audit.stderr);
  const complaints = (text: string): string[] => text.split("\n").filter((line) => /^[^A]/.test(line));
  assert.deepEqual(complaints(audit.stdout), complaints(theirAudit.stdout));
  const info = ["apk", "info", "--root", "/srv/built", "-v"];
  const names = (await apk.run(info)).stdout.trim().split("\n").sort();
  assert.deepEqual(names, packages.map(({ name, version }) => `${name}-${version}`).sort());
  const owner = await apk.run(["apk", "info", "--root", "/srv/built", "--who-owns", "/bin/busybox"]);
  assert.match(owner.stdout, /busybox-/);
  const fix = await apk.run([
    "apk",
    "fix",
    "--root",
    "/srv/built",
    "--simulate",
    "--no-network",
    "--repositories-file",
    "/dev/null",
  ]);
  assert.equal(fix.code, 0, fix.stdout + fix.stderr);
  assert.doesNotMatch(fix.stdout, /Installing|Upgrading|Purging/);

  // What apk wrote for the same packages is what we wrote, order aside.
  const database = async (root: string): Promise<unknown> => {
    const text = await readFile(join(apk.root, root, "lib/apk/db/installed"), "utf8");
    const list = readInstalled(text, root).map((it) => ({
      ...it,
      directories: [...it.directories].sort((a, b) => (a.path < b.path ? -1 : 1)),
      files: [...it.files].sort((a, b) => (a.path < b.path ? -1 : 1)),
    }));
    return list.sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  };
  assert.deepEqual(await database("srv/built"), await database("srv/theirs"));
  for (const path of ["etc/apk/world", "lib/apk/db/triggers", "etc/apk/arch"]) {
    const read = (root: string): Promise<string> => readFile(join(apk.root, root, path), "utf8");
    assert.equal(await read("srv/built"), await read("srv/theirs"), path);
  }
  // And the trees are the same in every name, kind, owner, mode and link.
  const listing = async (root: string): Promise<string[]> => {
    const { stdout } = await run("find", [
      join(apk.root, root),
      "-mindepth",
      "1",
      "-printf",
      "%P %y %m %U:%G %l\n",
    ]);
    const ours = /^(lib\/apk|etc\/apk|var\/cache|tmp$|dev|proc|lib\/apk\/exec)/;
    return stdout
      .trim()
      .split("\n")
      .filter((line) => !ours.test(line))
      .sort();
  };
  assert.deepEqual(await listing("srv/built"), await listing("srv/theirs"));
});
