// Any text or archive of Alpine's is read, or refused with a KelpieError.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { collect, fuzz, textSource } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { parseDependency, parseProvision } from "./dependency.ts";
import { readIndexArchive } from "./index-archive.ts";
import { parseIndex } from "./index-text.ts";
import { readInstalled } from "./installed.ts";
import { readPackage } from "./package-archive.ts";
import { parsePackageInfo } from "./package-info.ts";
import { readTrustedKeys } from "./signature.ts";
import { createTestKey, makeIndex, makePackage } from "./testing/packages.ts";
import { sampleIndex } from "./testing/universe.ts";
import { compareVersions } from "./version.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-fuzz-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const key = createTestKey();
const keys = readTrustedKeys(new Map([[key.name, key.publicPem]]));
const installed = `${sampleIndex.trimEnd()}\nr:x\nq:5\nF:etc\nM:0:0:700\nR:passwd\na:0:0:600\nZ:Q1abc\n\n`;
const info =
  "# made\npkgname = a\npkgver = 1-r0\narch = x86_64\ndepend = b>1\nsize = 10\ntriggers = /bin:/lib\n";
const identity = { checksum: "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=", sizeBytes: 1 };

const texts: readonly (readonly [
  name: string,
  corpus: readonly string[],
  parse: (text: string) => unknown,
])[] = [
  ["apk index", [sampleIndex], (text) => parseIndex(text, "x")],
  ["apk installed database", [installed], (text) => readInstalled(text, "x")],
  ["apk package info", [info], (text) => parsePackageInfo(text, identity, "x")],
  ["apk dependency", ["a>=1.2-r3", "!b@edge~3", "so:libc.musl-x86_64.so.1=1", "a><Q1xyz"], parseDependency],
  ["apk provision", ["cmd:a=1.2-r3", "so:x", "v"], parseProvision],
];

for (const [name, corpus, parse] of texts) {
  test(`${name}: damaged text is read, or refused with a KelpieError`, async () => {
    const encoder = new TextEncoder();
    const { accepted, refused } = await fuzz({
      name,
      corpus: corpus.map((text) => encoder.encode(text)),
      run: (input) => parse(new TextDecoder().decode(input)),
    });
    assert.ok(accepted > 0 && refused > 0, `${accepted} taken, ${refused} refused`);
  });
}

test("any two texts compare as versions in one order", async () => {
  await fuzz({
    name: "apk version",
    corpus: ["1.2.3a_rc1_p2-r4 1.2", "0.1_alpha2 0.1-r1", "1.0 1.00"].map((text) => Buffer.from(text)),
    run: (input) => {
      const [a = "", b = ""] = new TextDecoder().decode(input).split(" ");
      assert.equal(compareVersions(a, b) + compareVersions(b, a), 0);
      assert.equal(compareVersions(a, a), 0);
    },
  });
});

test("a damaged index archive is refused with a KelpieError", async () => {
  const { refused } = await fuzz({
    name: "apk index archive",
    corpus: [await makeIndex(parseIndex(sampleIndex, "x"), { key })],
    run: (input) => readIndexArchive(input, keys, "x"),
    runs: 300,
  });
  assert.ok(refused > 200, `${refused} refused`);
});

test("a damaged package is read, or refused with a KelpieError", async () => {
  const owned = { uid: 0, gid: 0, mtimeSeconds: 1 };
  const content = textSource("the tool");
  const made = await makePackage(
    {
      name: "tool",
      version: "1.2-r3",
      scripts: { ".pre-install": "#!/bin/sh\nadduser -S tool\n" },
      files: [
        { path: "usr/bin/tool", node: { kind: "file", mode: 0o755, ...owned, content } },
        { path: "usr/bin/t", node: { kind: "symlink", mode: 0o777, ...owned, target: "tool" } },
      ],
    },
    { key },
  );
  const path = join(scratch, "it.apk");
  const dataDirectory = join(scratch, "data");
  const { refused } = await fuzz({
    name: "apk package",
    corpus: [made.bytes],
    run: async (input) => {
      writeFileSync(path, input);
      const expected = { ...made.record, sizeBytes: input.length };
      rmSync(dataDirectory, { recursive: true, force: true });
      const { entries } = await readPackage(realPlatform, { path, expected, keys, dataDirectory });
      for (const { node } of entries) if (node.kind === "file") await collect(node.content.open(), 1000);
    },
    runs: 300,
  });
  assert.ok(refused > 100, `${refused} refused`);
});
