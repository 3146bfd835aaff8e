// Reading packages: what verifies is read, and whatever is changed anywhere is refused.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, type TreeNode, textSource } from "@kelpie/formats";
import { KelpieError, realPlatform } from "@kelpie/platform";
import fc from "fast-check";
import { type ApkContents, type ExpectedPackage, readPackage } from "./package-archive.ts";
import { readTrustedKeys, type TrustedKeys } from "./signature.ts";
import { realData } from "./testing/judge.ts";
import {
  createTestKey,
  type MadePackage,
  type MakeOptions,
  makePackage,
  type TestPackage,
} from "./testing/packages.ts";

const key = createTestKey();
const otherKey = createTestKey("other-0002.rsa.pub");
const trusted = readTrustedKeys(new Map([[key.name, key.publicPem]]));
const owned = { uid: 0, gid: 0, mtimeSeconds: 1_700_000_000 };

const tool: TestPackage = {
  name: "tool",
  version: "1.2-r3",
  info: [
    ["origin", "tools"],
    ["depend", "so:libc.musl-x86_64.so.1"],
    ["depend", "!oldtool"],
    ["provides", "cmd:tool=1.2-r3"],
    ["replaces", "oldtool"],
    ["replaces_priority", "7"],
    ["triggers", "/usr/share/tool/*:/etc/tool"],
  ],
  scripts: { ".pre-install": "#!/bin/sh\nadduser -S tool\n", ".trigger": "#!/bin/sh\n" },
  files: [
    { path: "usr", node: { kind: "directory", mode: 0o755, ...owned } },
    { path: "usr/bin", node: { kind: "directory", mode: 0o755, ...owned } },
    { path: "usr/bin/tool", node: file("the tool", 0o4755) },
    { path: "usr/bin/t", node: { kind: "symlink", mode: 0o777, ...owned, target: "tool" } },
  ],
};

function file(text: string, mode = 0o644): TreeNode {
  return { kind: "file", mode, ...owned, content: textSource(text) };
}

async function read(made: MadePackage, keys: TrustedKeys = trusted): Promise<ApkContents> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-package-"));
  try {
    const path = join(directory, "it.apk");
    await writeFile(path, made.bytes);
    const options = { path, expected: made.record, keys, dataDirectory: join(directory, "data") };
    const contents = await readPackage(realPlatform, options);
    const kept = await readPackage(realPlatform, options);
    assert.equal(JSON.stringify(kept.entries), JSON.stringify(contents.entries));
    for (const { node } of contents.entries) {
      if (node.kind === "file")
        assert.equal((await collect(node.content.open(), 1000)).length, node.content.sizeBytes);
    }
    return contents;
  } finally {
    await rm(directory, { recursive: true });
  }
}

test("a signed package gives its files, scripts and relations", async () => {
  for (const algorithm of ["RSA", "RSA256"] as const) {
    const made = await makePackage(tool, { key, algorithm });
    const { info, scripts, entries, keyName } = await read(made);
    assert.equal(keyName, key.name);
    assert.deepEqual(info.record, made.record);
    assert.deepEqual([...scripts.keys()], [".pre-install", ".trigger"]);
    assert.deepEqual(info.triggers, ["/usr/share/tool/*", "/etc/tool"]);
    assert.equal(info.replacesPriority, 7);
    const sha1 = (text: string): string => `Q1${createHash("sha1").update(text).digest("base64")}`;
    assert.deepEqual(
      entries.map(({ path, node, checksum }) => [path, node.kind, node.mode, checksum]),
      [
        ["usr", "directory", 0o755, undefined],
        ["usr/bin", "directory", 0o755, undefined],
        ["usr/bin/tool", "file", 0o4755, sha1("the tool")],
        ["usr/bin/t", "symlink", 0o777, sha1("tool")],
      ],
    );
  }
});

const refusals: Readonly<Record<string, readonly [code: string, options: MakeOptions]>> = {
  "signed by a key that is not trusted": ["untrusted-key", { key: otherKey }],
  "with a signature over something else": [
    "signature-invalid",
    { key, spoil: { signature: new Uint8Array(256) } },
  ],
  "signed by another under a trusted name": ["signature-invalid", { key: { ...otherKey, name: key.name } }],
  "whose data is not what its control part says": [
    "digest-mismatch",
    { key, spoil: { dataHash: "0".repeat(64) } },
  ],
  "with a file that is not what its entry says": [
    "digest-mismatch",
    { key, spoil: { fileChecksum: "0".repeat(40) } },
  ],
};

for (const [name, [code, options]] of Object.entries(refusals)) {
  test(`a package ${name} is refused`, async () => {
    await assert.rejects(read(await makePackage(tool, options)), { code });
  });
}

test("a well-signed package that is not the one the index names is refused", async () => {
  const made = await makePackage(tool, { key });
  const other = await makePackage({ ...tool, version: "1.2-r4" }, { key });
  const record = { ...other.record, sizeBytes: made.record.sizeBytes };
  await assert.rejects(read({ ...made, record }), { code: "digest-mismatch" });
  const renamed: ExpectedPackage = { ...made.record, name: "toolbox" };
  await assert.rejects(read({ ...made, record: { ...made.record, ...renamed } }), {
    code: "digest-mismatch",
  });
});

test("a package with a path out of its place is refused", async () => {
  for (const path of ["../etc/passwd", "usr/../../etc/passwd"]) {
    const made = await makePackage({ ...tool, files: [{ path, node: file("x") }] }, { key });
    await assert.rejects(read(made), { code: "unsafe-path" });
  }
});

test("any changed, missing or added byte is refused with a KelpieError", async () => {
  const made = await makePackage(tool, { key });
  const change = fc.tuple(fc.nat(made.bytes.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(change, async ([at, by]) => {
      const bytes = made.bytes.slice();
      bytes[at] = (bytes[at] ?? 0) ^ by;
      // The header of a gzip member holds a time and flags that nothing depends on; the signed members include theirs.
      const outcome = await read({ ...made, bytes }).then(
        () => "read",
        (error: unknown) => (KelpieError.is(error) ? "refused" : error),
      );
      if (outcome === "read") assert.ok(at < 10, `byte ${at} is not protected`);
      else assert.equal(outcome, "refused");
    }),
    { numRuns: 150 },
  );
  for (const length of [0, 1, 10, 400, made.bytes.length - 1]) {
    await assert.rejects(read({ ...made, bytes: made.bytes.subarray(0, length) }), (error) =>
      KelpieError.is(error),
    );
  }
});

test("kept data that was damaged is read from the package again", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-package-"));
  try {
    const made = await makePackage(tool, { key });
    const path = join(directory, "it.apk");
    await writeFile(path, made.bytes);
    const dataDirectory = join(directory, "data");
    const options = { path, expected: made.record, keys: trusted, dataDirectory };
    await readPackage(realPlatform, options);
    const tar = join(
      dataDirectory,
      (await readdir(dataDirectory)).find((name) => name.endsWith(".tar")) ?? "",
    );
    const good = await readFile(tar);
    for (const at of [0, 600, 1500, good.length - 1]) {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x20;
      await writeFile(tar, bad);
      await readPackage(realPlatform, options);
      assert.deepEqual(await readFile(tar), good);
    }
    assert.equal((await readdir(dataDirectory)).length, 2);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a real package verifies by the key that Alpine publishes", async (context) => {
  const apk = realData("alpine-baselayout-3.2.0-r23.apk");
  if (apk === undefined) {
    context.skip("the real package is not at hand");
    return;
  }
  const keyName = "alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub";
  const keyPath = join(import.meta.dirname, "../../../../images/keys/alpine", keyName);
  const keys = readTrustedKeys(new Map([[keyName, await readFile(keyPath, "utf8")]]));
  const directory = await mkdtemp(join(tmpdir(), "kelpie-package-"));
  try {
    await copyFile(apk, join(directory, "it.apk"));
    const { info, entries, scripts } = await readPackage(realPlatform, {
      path: join(directory, "it.apk"),
      expected: {
        name: "alpine-baselayout",
        version: "3.2.0-r23",
        checksum: "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=",
        sizeBytes: 11_012,
      },
      keys,
      dataDirectory: join(directory, "data"),
    });
    assert.equal(info.record.architecture, "aarch64");
    assert.equal(entries.length, 83);
    assert.deepEqual([...scripts.keys()], [".pre-install", ".pre-upgrade", ".post-upgrade", ".post-install"]);
    assert.equal(entries.find(({ path }) => path === "etc/crontabs/root")?.node.mode, 0o600);
    assert.equal(entries.find(({ path }) => path === "tmp")?.node.mode, 0o1777);
  } finally {
    await rm(directory, { recursive: true });
  }
});
