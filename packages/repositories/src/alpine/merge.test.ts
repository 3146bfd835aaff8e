// Which package gets a file that two of them have: a table of apk's rules, and apk itself as the judge of the same table.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, type TreeNode, textSource } from "@kelpie/formats";
import { KelpieError, realPlatform } from "@kelpie/platform";
import type { AlpineArchive } from "./archive.ts";
import { alpineDatabase } from "./database.ts";
import { readInstalled } from "./installed.ts";
import { mergePackages } from "./merge.ts";
import { readPackage } from "./package-archive.ts";
import { readTrustedKeys } from "./signature.ts";
import { apkJudge } from "./testing/judge.ts";
import { createTestKey, type MadePackage, makeIndex, makePackage } from "./testing/packages.ts";

const key = createTestKey();
const keys = readTrustedKeys(new Map([[key.name, key.publicPem]]));
const owned = { uid: 0, gid: 0, mtimeSeconds: 1_700_000_000 };

type Info = readonly (readonly [string, string])[];

/** Two packages with the same file, installed one after the other, and whose it is in the end. */
interface Overlap {
  readonly first: Info;
  readonly second: Info;
  readonly winner: "first" | "second" | "refused";
}

const overlaps: Readonly<Record<string, Overlap>> = {
  "neither replaces the other": { first: [], second: [], winner: "refused" },
  "the second replaces the first": { first: [], second: [["replaces", "first"]], winner: "second" },
  "the first replaces the second": { first: [["replaces", "second"]], second: [], winner: "first" },
  "the second replaces another version": { first: [], second: [["replaces", "first<1"]], winner: "refused" },
  "the second replaces this version": { first: [], second: [["replaces", "first<2"]], winner: "second" },
  "each replaces the other": {
    first: [["replaces", "second"]],
    second: [["replaces", "first"]],
    winner: "second",
  },
  "each replaces the other, the first with more priority": {
    first: [
      ["replaces", "second"],
      ["replaces_priority", "10"],
    ],
    second: [
      ["replaces", "first"],
      ["replaces_priority", "5"],
    ],
    winner: "first",
  },
  "each replaces the other, the second with more priority": {
    first: [
      ["replaces", "second"],
      ["replaces_priority", "5"],
    ],
    second: [
      ["replaces", "first"],
      ["replaces_priority", "10"],
    ],
    winner: "second",
  },
  "both are of one source package": {
    first: [["origin", "source"]],
    second: [["origin", "source"]],
    winner: "second",
  },
  "they are of two source packages": {
    first: [["origin", "source"]],
    second: [["origin", "other"]],
    winner: "refused",
  },
};

function pair({ first, second }: Overlap): Promise<readonly [MadePackage, MadePackage]> {
  const make = (name: string, info: Info, mode: number): Promise<MadePackage> => {
    const content = textSource(`of the ${name}\n`);
    return makePackage(
      {
        name,
        version: "1-r0",
        info: name === "second" ? [...info, ["depend", "first"]] : info,
        files: [
          { path: "opt", node: { kind: "directory", mode, ...owned } },
          { path: "opt/own", node: { kind: "directory", mode: 0o755, ...owned } },
          { path: `opt/own/${name}`, node: { kind: "file", mode: 0o600, ...owned, content } },
          { path: "opt/shared", node: { kind: "file", mode: 0o644, ...owned, content } },
        ],
      },
      { key },
    );
  };
  return Promise.all([make("first", first, 0o775), make("second", second, 0o757)]);
}

async function archive(made: MadePackage, directory: string): Promise<AlpineArchive> {
  const { record, bytes } = made;
  const path = join(directory, `${record.name}.apk`);
  await writeFile(path, bytes);
  const options = { path, expected: record, keys, dataDirectory: join(directory, "data") };
  const { info, entries, scripts, keyName } = await readPackage(realPlatform, options);
  const { name, version, sizeBytes, checksum } = record;
  const chosen = { name, version, sizeBytes, digest: `apk-c:${checksum}`, location: path } as const;
  return {
    package: { ecosystem: "alpine", architecture: "amd64", ...chosen },
    record: info.record,
    info,
    entries,
    scripts,
    keyName,
    configurationFiles: [],
  };
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-merge-"));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function textOf(node: TreeNode | undefined): Promise<string> {
  assert.equal(node?.kind, "file");
  return new TextDecoder().decode(await collect(node.content.open(), 1000));
}

for (const [name, overlap] of Object.entries(overlaps)) {
  test(`of two packages with one file, where ${name}, ${overlap.winner === "refused" ? "none is installed" : `the ${overlap.winner} gets it`}`, async () => {
    await withDirectory(async (directory) => {
      const made = await pair(overlap);
      const archives = [await archive(made[0], directory), await archive(made[1], directory)];
      if (overlap.winner === "refused") {
        assert.throws(
          () => mergePackages(archives),
          (error) => {
            assert.ok(KelpieError.is(error) && error.code === "already-exists");
            assert.match(error.message, /opt\/shared.*first-1-r0 and second-1-r0/);
            return true;
          },
        );
        return;
      }
      const { tree, owners } = mergePackages(archives);
      assert.equal(owners.get("opt/shared")?.record.name, overlap.winner);
      assert.equal(await textOf(tree.get("opt/shared")), `of the ${overlap.winner}\n`);
      assert.equal(
        tree.get("opt")?.mode,
        0o755,
        "a shared directory has no permission that one of them withholds",
      );
      const state = { archives, owners, world: ["second"], machine: "x86_64", mtimeSeconds: 0 };
      const database = (await alpineDatabase(state)).find(({ path }) => path === "lib/apk/db/installed");
      const listed = readInstalled(await textOf(database?.node), "installed").filter(({ files }) =>
        files.some(({ path }) => path === "opt/shared"),
      );
      assert.deepEqual(
        listed.map(({ record }) => record.name),
        [overlap.winner],
      );
    });
  });
}

test("a directory of one package and a file of another do not go together", async () => {
  await withDirectory(async (directory) => {
    const file = { kind: "file", mode: 0o644, ...owned, content: textSource("x") } as const;
    const folder = { kind: "directory", mode: 0o755, ...owned } as const;
    const make = async (name: string, node: TreeNode): Promise<AlpineArchive> =>
      archive(await makePackage({ name, version: "1", files: [{ path: "srv", node }] }, { key }), directory);
    const [a, b] = [await make("a", file), await make("b", folder)];
    for (const order of [
      [a, b],
      [b, a],
    ])
      assert.throws(() => mergePackages(order), { code: "already-exists" });
  });
});

test("apk gives each file to the same package, and shared directories the same mode", async (context) => {
  const judge = await apkJudge();
  if (judge.kind === "absent") {
    context.skip(judge.reason);
    return;
  }
  await using apk = judge;
  await writeFile(join(apk.root, "etc/apk/keys", key.name), key.publicPem);
  for (const [number, [name, overlap]] of Object.entries(overlaps).entries()) {
    const made = await pair(overlap);
    const mirror = join(apk.root, `srv/${number}/x86_64`);
    await mkdir(mirror, { recursive: true });
    for (const { record, bytes } of made)
      await writeFile(join(mirror, `${record.name}-${record.version}.apk`), bytes);
    const records = made.map(({ record }) => record);
    await writeFile(join(mirror, "APKINDEX.tar.gz"), await makeIndex(records, { key }));
    const root = `/srv/root${number}`;
    await mkdir(join(apk.root, root, "etc/apk/keys"), { recursive: true });
    await writeFile(join(apk.root, root, "etc/apk/keys", key.name), key.publicPem);
    const options = [
      "--root",
      root,
      "--initdb",
      "--arch",
      "x86_64",
      "--no-network",
      "--repository",
      `/srv/${number}`,
    ];
    const { stdout, stderr } = await apk.run(["apk", "add", ...options, "second"]);
    const isRefused = /trying to overwrite opt\/shared owned by first/.test(stdout + stderr);
    assert.equal(isRefused, overlap.winner === "refused", `${name}: ${stdout}${stderr}`);
    if (isRefused) continue;
    assert.equal(
      await readFile(join(apk.root, root, "opt/shared"), "utf8"),
      `of the ${overlap.winner}\n`,
      name,
    );
    const mode = await apk.run(["stat", "-c", "%a", `${root}/opt`]);
    assert.equal(mode.stdout.trim(), "755", name);
    const owner = await apk.run(["apk", "info", "--root", root, "--who-owns", "/opt/shared"]);
    assert.match(owner.stdout, new RegExp(`owned by ${overlap.winner}-`), name);
  }
});
