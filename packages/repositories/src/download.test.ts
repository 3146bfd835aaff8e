// Downloads against a mirror that misbehaves: each fault ends in a whole, verified file or in one clear error.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { type DownloadRequest, downloadVerified } from "./download.ts";
import { type Fault, type Mirror, startMirror } from "./testing/mirror.ts";

const content = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
const sha256 = createHash("sha256").update(content).digest("hex");
const quick = {
  retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 },
  timeouts: { responseMs: 300, stallMs: 300 },
};

interface World extends AsyncDisposable {
  readonly mirror: Mirror;
  readonly directory: string;
  readonly request: DownloadRequest;
}

async function world(...faults: readonly Fault[]): Promise<World> {
  const mirror = await startMirror();
  const directory = await mkdtemp(join(tmpdir(), "kelpie-download-"));
  mirror.put("/file", content);
  mirror.fail("/file", ...faults);
  const cachePath = join(directory, "cache/file");
  const url = `${mirror.url}/file`;
  return {
    mirror,
    directory,
    request: { url, sizeBytes: content.length, maxBytes: 1 << 20, sha256, cachePath, ...quick },
    [Symbol.asyncDispose]: async () => {
      await mirror[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

const mended: Readonly<Record<string, readonly Fault[]>> = {
  "a connection that ends early": [{ kind: "truncate", afterBytes: 100_000 }],
  "two connections that end early": [
    { kind: "truncate", afterBytes: 100_000 },
    { kind: "truncate", afterBytes: 50_000 },
  ],
  "a transfer that stalls": [{ kind: "stall", afterBytes: 70_000 }],
  "a server that does not answer": [{ kind: "silence" }],
  "a damaged byte": [{ kind: "corrupt", atByte: 1234 }],
  "a server that is busy": [{ kind: "status", status: 503, headers: { "retry-after": "0" } }],
  "content that is too short": [{ kind: "replace", content: content.subarray(0, 1000) }],
  "content that is too long": [{ kind: "replace", content: Buffer.concat([content, content]) }],
  "a server that ignores the range of a resumed transfer": [
    { kind: "truncate", afterBytes: 100_000 },
    { kind: "ignore-range" },
  ],
  "a server that resumes elsewhere": [{ kind: "truncate", afterBytes: 100_000 }, { kind: "wrong-range" }],
  "a server that does not say the length": [{ kind: "no-length" }],
};

for (const [name, faults] of Object.entries(mended)) {
  test(`${name} is mended by another attempt`, async () => {
    await using at = await world(...faults);
    await downloadVerified(realPlatform, at.request);
    assert.deepEqual(new Uint8Array(await readFile(at.request.cachePath)), content);
    assert.deepEqual(await readdir(join(at.directory, "cache")), ["file"]);
  });
}

const thrice = (fault: Fault): Fault[] => [fault, fault, fault];
const fatal: Readonly<Record<string, readonly [KelpieErrorCode, readonly Fault[]]>> = {
  "content that stays damaged": ["digest-mismatch", thrice({ kind: "corrupt", atByte: 5 })],
  "content that stays too short": ["digest-mismatch", thrice({ kind: "replace", content: Uint8Array.of(1) })],
  "content above the bound": [
    "limit-exceeded",
    [{ kind: "replace", content: new Uint8Array((1 << 20) + 1) }],
  ],
  "a file that is not there": ["not-found", [{ kind: "status", status: 404 }]],
  "a file that is forbidden": ["permission-denied", [{ kind: "status", status: 403 }]],
  "a server that stays broken": ["unreachable", thrice({ kind: "status", status: 500 })],
  "a server that stays silent": ["timeout", thrice({ kind: "silence" })],
  "a transfer that always stalls at its start": ["timeout", thrice({ kind: "stall", afterBytes: 0 })],
};

for (const [name, [code, faults]] of Object.entries(fatal)) {
  test(`${name} is one clear error, and leaves nothing behind`, async () => {
    await using at = await world(...faults);
    await assert.rejects(downloadVerified(realPlatform, at.request), (error) => {
      assert.ok(KelpieError.is(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, /127\.0\.0\.1/);
      return true;
    });
    assert.deepEqual(await readdir(join(at.directory, "cache")), []);
  });
}

test("a broken transfer is resumed where it broke", async () => {
  await using at = await world({ kind: "truncate", afterBytes: 100_000 });
  await downloadVerified(realPlatform, at.request);
  const [first, second] = at.mirror.seen;
  assert.equal(first?.range, undefined);
  assert.match(second?.range ?? "", /^bytes=[1-9]\d*-$/);
  assert.equal(second?.status, 206);
});

test("a download that was given up goes on with the next, where its caller says so, and is verified as a whole", async () => {
  const cut = { kind: "truncate", afterBytes: 100_000 } as const;
  await using at = await world(cut, cut);
  const { sizeBytes: _, ...unsized } = at.request;
  const request = { ...unsized, isResumable: true, retry: { attempts: 1 } };
  const partial = join(dirname(request.cachePath), ".file.partial");
  for (const _attempt of [1, 2]) await assert.rejects(downloadVerified(realPlatform, request));
  const { length } = await readFile(partial);
  assert.ok(length > 0 && length < content.length);
  await downloadVerified(realPlatform, request);
  assert.equal(at.mirror.seen.at(-1)?.range, `bytes=${length}-`);
  assert.deepEqual(await readFile(request.cachePath), Buffer.from(content));
  assert.deepEqual(await readdir(dirname(partial)), ["file"]);

  for (const [left, requests] of [
    [content.map((byte) => byte ^ 1), 1],
    [Buffer.concat([content, content]), 1],
    [content, 0],
  ] as const) {
    await rm(request.cachePath);
    await writeFile(partial, left);
    const before = at.mirror.seen.length;
    await downloadVerified(realPlatform, { ...request, retry: { attempts: 2 } });
    assert.ok(at.mirror.seen.length - before >= requests);
    if (requests === 0) assert.equal(at.mirror.seen.length, before);
    assert.deepEqual(await readFile(request.cachePath), Buffer.from(content));
  }
});

test("content that changed between two attempts is never mixed", async () => {
  await using at = await world({ kind: "truncate", afterBytes: 100_000 });
  const changed = content.map((byte) => byte ^ 1);
  const { sha256: _, ...request } = at.request;
  let attempts = 0;
  await downloadVerified(realPlatform, {
    ...request,
    onProgress: () => {
      attempts += 1;
      if (attempts === 1) at.mirror.put("/file", changed);
    },
  });
  assert.deepEqual(new Uint8Array(await readFile(request.cachePath)), changed);
});

test("what is in the cache is verified, and asked of the mirror only if it is wrong", async () => {
  await using at = await world();
  await downloadVerified(realPlatform, at.request);
  await downloadVerified(realPlatform, { ...at.request, offline: true });
  assert.equal(at.mirror.seen.length, 1);
  await writeFile(
    at.request.cachePath,
    content.map((byte) => byte ^ 1),
  );
  await downloadVerified(realPlatform, at.request);
  assert.equal(at.mirror.seen.length, 2);
  assert.deepEqual(new Uint8Array(await readFile(at.request.cachePath)), content);
});

test("a check of the caller's own keeps what it refuses out of the cache", async () => {
  await using at = await world();
  const verify = (): Promise<void> => Promise.reject(new KelpieError("signature-invalid", "Not this one"));
  await assert.rejects(
    downloadVerified(realPlatform, { ...at.request, verify }),
    /Not this one, after 3 attempts/,
  );
  assert.deepEqual(await readdir(join(at.directory, "cache")), []);
});

test("without a network only the cache answers", async () => {
  await using at = await world();
  await assert.rejects(downloadVerified(realPlatform, { ...at.request, offline: true }), {
    code: "unreachable",
  });
  assert.equal(at.mirror.seen.length, 0);
});

test("a cancelled download ends at once and leaves nothing behind", async () => {
  await using at = await world({ kind: "stall", afterBytes: 1000 });
  const controller = new AbortController();
  const download = downloadVerified(realPlatform, {
    ...at.request,
    timeouts: { responseMs: 60_000, stallMs: 60_000 },
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await assert.rejects(download, { code: "cancelled" });
  assert.deepEqual(await readdir(join(at.directory, "cache")), []);
});

test("two downloads of the same file at once both succeed", async () => {
  await using at = await world({ kind: "truncate", afterBytes: 1000 });
  await Promise.all([downloadVerified(realPlatform, at.request), downloadVerified(realPlatform, at.request)]);
  assert.deepEqual(await readdir(join(at.directory, "cache")), ["file"]);
});
