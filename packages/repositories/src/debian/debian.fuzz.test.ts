// Any text or archive of Debian's is read, or refused with a KelpieError.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fuzz } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { parseListFile, parseSourcesFile } from "./apt/host-sources.ts";
import { parseDeb822 } from "./deb822.ts";
import { unpackDeb } from "./deb-archive.ts";
import { parseDependencies } from "./dependency.ts";
import { parseRelease } from "./mirror/release.ts";
import { readTrustedKeys, verifyInline } from "./mirror/signature.ts";
import { PackageIndex } from "./package-index.ts";
import { parseWorldItem } from "./resolver.ts";
import { makeSigningKey, startMirror } from "./testing/fixture-mirror.ts";
import { indexText } from "./testing/index-text.ts";
import { makeDeb } from "./testing/make-deb.ts";
import { parseDebianVersion } from "./version.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-fuzz-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const index = indexText([
  ["a 1:2.0-1", "Depends: b (>= 1) | c, d:any", "Provides: v (= 2),\n w", "Multi-Arch: same"],
  ["b 2", "Pre-Depends: a", "Breaks: c (<< 1)", "Priority: required"],
]);
const release = `Codename: x\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n ${"0".repeat(64)} 1 main/x\n`;
const sources = "Types: deb\nURIs: http://x\nSuites: a b\nComponents: main\nSigned-By:\n key\n .\n";

const parsers: readonly (readonly [name: string, corpus: string, parse: (text: string) => unknown])[] = [
  ["debian control data", index, (text) => parseDeb822(text, { comments: true })],
  [
    "debian dependency field",
    "a (>= 1:2~) | b:any [amd64 !arm64], c (<< 2)",
    (text) => parseDependencies(text, "amd64"),
  ],
  ["debian version", "1:2.0~rc1+dfsg-1.2", parseDebianVersion],
  ["debian item of a world", "bash=5.2-1", (text) => parseWorldItem(text, "amd64")],
  ["debian release", release, (text) => parseRelease(text, "x")],
  [
    "debian list of sources",
    "deb [arch=amd64 signed-by=/x] http://x bookworm main\n# c\n",
    (text) => parseListFile(text, "x"),
  ],
  ["debian deb822 list of sources", sources, (text) => parseSourcesFile(text, "x")],
];

for (const [name, corpus, parse] of parsers) {
  test(`${name}: damaged text is read, or refused with a KelpieError`, async () => {
    const { refused } = await fuzz({
      name,
      corpus: [Buffer.from(corpus)],
      run: (input) => parse(new TextDecoder().decode(input)),
      runs: 1500,
    });
    assert.ok(refused > 20, `${refused} refused`);
  });
}

test("a package index that is damaged is read or refused, and every lookup in it too", async () => {
  await fuzz({
    name: "debian package index",
    corpus: [Buffer.from(index)],
    run: (bytes) => {
      const read = new PackageIndex([{ bytes, repositoryUrl: "http://x", label: "x" }], "amd64");
      for (const name of read.names()) read.versions(name);
      for (const name of ["v", "w", "a"]) read.providers(name);
    },
    runs: 1500,
  });
});

test("a package that is damaged is unpacked or refused, and leaves nothing behind that is not whole", async () => {
  const { bytes } = await makeDeb({
    name: "a",
    version: "1",
    files: { "usr/bin/a": "1", "usr/bin/b": "-> a" },
    compression: "",
  });
  let count = 0;
  await fuzz({
    name: "debian package",
    corpus: [bytes],
    run: async (input) => {
      const sha256 = createHash("sha256").update(String(count++)).digest("hex");
      const path = join(scratch, `${sha256}.deb`);
      writeFileSync(path, input);
      const chosen = {
        ecosystem: "debian",
        name: "a",
        version: "1",
        architecture: "amd64",
        location: path,
        sizeBytes: input.length,
        digest: `sha256:${sha256}`,
      } as const;
      try {
        await unpackDeb(realPlatform, path, { directory: join(scratch, sha256), sha256 }, chosen);
      } finally {
        rmSync(path);
        rmSync(join(scratch, sha256), { recursive: true, force: true });
      }
    },
    runs: 150,
  });
});

test("a signed release that is damaged yields the signed text or is refused", async () => {
  const key = await makeSigningKey();
  await using mirror = await startMirror({ debs: [], signedBy: [key] });
  const signed = new Uint8Array(await (await fetch(`${mirror.url}/dists/bookworm/InRelease`)).arrayBuffer());
  const trusted = await readTrustedKeys([Buffer.from(key.publicKey)], "test");
  const text = await verifyInline(signed, trusted, new Date(), "x");
  await fuzz({
    name: "debian signed release",
    corpus: [signed],
    run: async (input) => {
      // What the signature covers ignores blanks at line ends (RFC 9580, section 7.2), and nothing else.
      const found = await verifyInline(input, trusted, new Date(), "x");
      assert.equal(found.replaceAll(/[ \t\r]+$/gm, ""), text.replaceAll(/[ \t\r]+$/gm, ""));
    },
    runs: 150,
  });
});
