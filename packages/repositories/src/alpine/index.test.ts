// Indexes and installed databases: read as they are written, verified before they are read, refused where they are wrong.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { readIndexArchive } from "./index-archive.ts";
import { parseIndex } from "./index-text.ts";
import { readInstalled } from "./installed.ts";
import { writeRecord } from "./record.ts";
import { readTrustedKeys } from "./signature.ts";
import { apkJudge, realData } from "./testing/judge.ts";
import { createTestKey, makeIndex } from "./testing/packages.ts";
import { sampleIndex } from "./testing/universe.ts";

const key = createTestKey();
const other = createTestKey("other-0002.rsa.pub");
const keys = readTrustedKeys(new Map([[key.name, key.publicPem]]));
const records = parseIndex(sampleIndex, "index");

test("a record is written as it was read", () => {
  const lines = (written: string): string[] => written.split("\n").sort();
  assert.deepEqual(lines(records.map((record) => `${writeRecord(record)}\n`).join("")), lines(sampleIndex));
  assert.deepEqual(
    parseIndex(records.map((record) => `${writeRecord(record)}\n`).join(""), "again"),
    records,
  );
});

test("the real index is written as it was read", async (context) => {
  const archive = realData("APKINDEX-v3.16-main-x86_64.tar.gz");
  if (archive === undefined) {
    context.skip("the real index is not at hand");
    return;
  }
  const keyName = "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub";
  const pem = await readFile(join(import.meta.dirname, "../../../../images/keys/alpine", keyName), "utf8");
  const real = await readIndexArchive(
    await readFile(archive),
    readTrustedKeys(new Map([[keyName, pem]])),
    "v3.16",
  );
  assert.match(real.description, /^v3\.16\./);
  assert.deepEqual(
    parseIndex(real.records.map((record) => `${writeRecord(record)}\n`).join(""), "again"),
    real.records,
  );
});

const broken: Readonly<Record<string, readonly [written: string, where: RegExp]>> = {
  "a line without a letter": ["P:a\nnonsense\n", /line 2.*expected a letter, a colon/],
  "no name": ["C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nV:1\n\n", /line 3/],
  "no checksum": ["P:a\nV:1\n\n", /line C:/],
  "a checksum of another kind": ["C:Q2AAAA=\nP:a\nV:1\n\n", /Q2AAAA=/],
  "a name that is a path": ["C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:../a\nV:1\n\n", /\.\.\/a/],
  "a version that is a path": ["C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:a\nV:1/2\n\n", /1\/2/],
  "a size that is no number": ["C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:a\nV:1\nS:-1\n\n", /S:-1/],
  "a dependency that cannot be read": [
    "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:a\nV:1\nD:b=\n\n",
    /line 5, a, line D:/,
  ],
  "a letter twice": ["P:a\nP:b\n", /line 2/],
};

for (const [name, [written, where]] of Object.entries(broken)) {
  test(`an index with ${name} is refused, and the place is named`, () => {
    assert.throws(
      () => parseIndex(written, "index"),
      (error) => {
        assert.ok(KelpieError.is(error) && error.code === "malformed");
        assert.match(error.message, where);
        return true;
      },
    );
  });
}

test("what a later apk may add is passed over, and a package that needs it is left out", () => {
  const [, b = ""] = sampleIndex.split("\n\n");
  assert.equal(parseIndex(`${b}\nz:new\n\n`, "index").length, 1);
  assert.equal(parseIndex(`${b}\nX:needed\n\n${sampleIndex}`, "index").length, 2);
});

test("an index is read only if a trusted key signed exactly it", async () => {
  for (const algorithm of ["RSA", "RSA256"] as const) {
    const archive = await makeIndex(records, { key, algorithm });
    const index = await readIndexArchive(archive, keys, "index");
    assert.deepEqual(index.records, records);
    assert.equal(index.keyName, key.name);
  }
  const foreign = await makeIndex(records, { key: other });
  await assert.rejects(readIndexArchive(foreign, keys, "index"), { code: "untrusted-key" });
  const imitation = await makeIndex(records, { key: { ...other, name: key.name } });
  await assert.rejects(readIndexArchive(imitation, keys, "index"), { code: "signature-invalid" });
  const good = await makeIndex(records, { key });
  await assert.rejects(readIndexArchive(Buffer.concat([good, good]), keys, "index"), {
    code: "signature-invalid",
  });
  const unsigned = good.subarray(Buffer.from(good).indexOf(Buffer.from([0x1f, 0x8b, 8]), 1));
  await assert.rejects(readIndexArchive(unsigned, keys, "index"), { code: "signature-invalid" });
  await assert.rejects(readIndexArchive(new Uint8Array(0), keys, "index"), (error) => KelpieError.is(error));
});

test("a key that is none, or too small, is refused by its name", () => {
  assert.throws(() => readTrustedKeys(new Map([["x.pub", "nonsense"]])), { code: "invalid-input" });
  const small =
    "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n";
  assert.throws(() => readTrustedKeys(new Map([["small.pub", small]])), /small\.pub.*found 512 bits/);
});

test("the real installed database is read whole", async (context) => {
  const judge = await apkJudge();
  if (judge.kind === "absent") {
    context.skip(judge.reason);
    return;
  }
  await using apk = judge;
  const installed = readInstalled(
    await readFile(join(apk.root, "lib/apk/db/installed"), "utf8"),
    "installed",
  );
  assert.equal(installed.length, 15);
  const names = (await apk.run(["apk", "info", "-v"])).stdout.trim().split("\n").sort();
  assert.deepEqual(installed.map(({ record }) => `${record.name}-${record.version}`).sort(), names);
  const layout = installed.find(({ record }) => record.name === "alpine-baselayout");
  assert.equal(layout?.directories.find(({ path }) => path === "tmp")?.mode, 0o1777);
  assert.equal(layout.files.find(({ path }) => path === "etc/crontabs/root")?.mode, 0o600);
});
