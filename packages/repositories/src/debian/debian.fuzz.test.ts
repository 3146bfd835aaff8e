// Any text or archive is read or refused with a KelpieError: damaged copies of good ones, thousands of them.
// KELPIE_FUZZ_SECONDS makes each target go on for that long.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import fc from "fast-check";
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
const seconds = Number(process.env["KELPIE_FUZZ_SECONDS"] ?? 0);
const limits = (numRuns: number): fc.Parameters<unknown> =>
  seconds > 0
    ? { numRuns: Number.MAX_SAFE_INTEGER, plugins: [fc.interruptAfterTimeLimit(seconds * 1000)] }
    : { numRuns, seed: 20261123 };

/** A copy of `bytes` with stretches removed, doubled or overwritten. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(Math.max(0, bytes.length - 1)),
    removed: fc.nat(8),
    inserted: fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc
        .constantFrom("\n", "\n\n", " ", "(", ",", "|", ":", "\0", "../", "\t", "-")
        .map((text) => Buffer.from(text)),
    ),
  });
  return fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce<Uint8Array>(
        (before, { at, removed, inserted }) =>
          Buffer.concat([before.subarray(0, at), inserted, before.subarray(at + removed)]),
        bytes,
      ),
    );
}

function isForeseen(error: unknown): boolean {
  return KelpieError.is(error) && error.code !== "internal";
}

const index = indexText([
  ["a 1:2.0-1", "Depends: b (>= 1) | c, d:any", "Provides: v (= 2),\n w", "Multi-Arch: same"],
  ["b 2", "Pre-Depends: a", "Breaks: c (<< 1)", "Priority: required"],
]);
const release = `Codename: x\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n ${"0".repeat(64)} 1 main/x\n`;
const sources = "Types: deb\nURIs: http://x\nSuites: a b\nComponents: main\nSigned-By:\n key\n .\n";

const parsers: readonly (readonly [what: string, corpus: string, parse: (text: string) => unknown])[] = [
  ["control data", index, (text) => parseDeb822(text, { comments: true })],
  [
    "a dependency field",
    "a (>= 1:2~) | b:any [amd64 !arm64], c (<< 2)",
    (text) => parseDependencies(text, "amd64"),
  ],
  ["a version", "1:2.0~rc1+dfsg-1.2", parseDebianVersion],
  ["an item of a world", "bash=5.2-1", (text) => parseWorldItem(text, "amd64")],
  ["a release", release, (text) => parseRelease(text, "x")],
  [
    "a list of sources",
    "deb [arch=amd64 signed-by=/x] http://x bookworm main\n# c\n",
    (text) => parseListFile(text, "x"),
  ],
  ["a deb822 list of sources", sources, (text) => parseSourcesFile(text, "x")],
];

for (const [what, corpus, parse] of parsers) {
  test(`${what} that is damaged is read or refused`, () => {
    let refused = 0;
    fc.assert(
      fc.property(damaged(Buffer.from(corpus)), (bytes) => {
        try {
          parse(new TextDecoder().decode(bytes));
        } catch (error) {
          assert.ok(isForeseen(error), String(error));
          refused++;
        }
      }),
      limits(1500),
    );
    assert.ok(refused > 20, `${refused} refused`);
  });
}

test("a package index that is damaged is read or refused, and every lookup in it too", () => {
  fc.assert(
    fc.property(damaged(Buffer.from(index)), (bytes) => {
      try {
        const read = new PackageIndex([{ bytes, repositoryUrl: "http://x", label: "x" }], "amd64");
        for (const name of read.names()) read.versions(name);
        for (const name of ["v", "w", "a"]) read.providers(name);
      } catch (error) {
        assert.ok(isForeseen(error), String(error));
      }
    }),
    limits(1500),
  );
});

test("a package that is damaged is unpacked or refused, and leaves nothing behind that is not whole", async () => {
  const { bytes } = await makeDeb({
    name: "a",
    version: "1",
    files: { "usr/bin/a": "1", "usr/bin/b": "-> a" },
    compression: "",
  });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(damaged(bytes), async (input) => {
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
      } catch (error) {
        assert.ok(isForeseen(error), String(error));
      } finally {
        rmSync(path);
        rmSync(join(scratch, sha256), { recursive: true, force: true });
      }
    }),
    limits(150),
  );
});

test("a signed release that is damaged yields the signed text or is refused", async () => {
  const key = await makeSigningKey();
  await using mirror = await startMirror({ debs: [], signedBy: [key] });
  const signed = new Uint8Array(await (await fetch(`${mirror.url}/dists/bookworm/InRelease`)).arrayBuffer());
  const trusted = await readTrustedKeys([Buffer.from(key.publicKey)], "test");
  const text = await verifyInline(signed, trusted, new Date(), "x");
  await fc.assert(
    fc.asyncProperty(damaged(signed), async (input) => {
      try {
        // What the signature covers ignores blanks at line ends (RFC 9580, section 7.2), and nothing else.
        const found = await verifyInline(input, trusted, new Date(), "x");
        assert.equal(found.replaceAll(/[ \t\r]+$/gm, ""), text.replaceAll(/[ \t\r]+$/gm, ""));
      } catch (error) {
        assert.ok(isForeseen(error), String(error));
      }
    }),
    limits(150),
  );
});
