import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { archivePath } from "./archive-path.ts";
import { debianCache } from "./debian/open-debian.ts";
import { makeDeb } from "./debian/testing/make-deb.ts";
import type { ResolvedPackage } from "./package.ts";

const alpine: ResolvedPackage = {
  ecosystem: "alpine",
  name: "tool",
  version: "1-r0",
  architecture: "arm64",
  location: "http://mirror.example/tool-1-r0.apk",
  sizeBytes: 1,
  digest: `apk-c:Q1${Buffer.alloc(20, 0xab).toString("base64")}`,
};

test("an archive is kept by its digest, and a digest of another form is refused", () => {
  assert.equal(archivePath(alpine), `alpine/packages/${"ab".repeat(20)}.apk`);
  const debian = { ...alpine, ecosystem: "debian", digest: `sha256:${"cd".repeat(32)}` } as const;
  assert.equal(archivePath(debian), `debian/archives/${"cd".repeat(32)}.deb`);
  for (const digest of ["sha256:../../x", "apk-c:Q1../x", ""]) {
    assert.throws(() => archivePath({ ...alpine, digest }), { code: "invalid-input" });
    assert.throws(() => archivePath({ ...debian, digest }), { code: "invalid-input" });
  }
});

test("a Debian package that a lock names is read from the cache without an index, and only if it is right", async () => {
  const cacheDirectory = await mkdtemp(join(tmpdir(), "kelpie-cache-"));
  try {
    const { bytes, sha256 } = await makeDeb({ name: "tool", version: "1", files: { "usr/bin/tool": "x" } });
    const chosen: ResolvedPackage = {
      ...alpine,
      ecosystem: "debian",
      version: "1",
      architecture: "amd64",
      sizeBytes: bytes.length,
      digest: `sha256:${sha256}`,
    };
    const cache = debianCache({ platform: realPlatform, cacheDirectory, architecture: "amd64" });
    const path = join(cacheDirectory, archivePath(chosen));
    await assert.rejects(cache.fetch(chosen), { code: "unreachable" });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes.toReversed());
    await assert.rejects(cache.fetch(chosen), { code: "unreachable" });
    await writeFile(path, bytes);
    assert.equal(await cache.download(chosen), path);
    const { entries } = await cache.fetch(chosen);
    assert.ok(entries.some((entry) => entry.path === "usr/bin/tool"));
  } finally {
    await rm(cacheDirectory, { recursive: true });
  }
});
