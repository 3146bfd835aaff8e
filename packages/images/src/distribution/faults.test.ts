// Servers that do wrong, and everything that talks to one: the right bytes come, or one clear error within its time, and the
// store is as it was.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Architecture, KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { downloadVerified } from "@kelpie/repositories";
import { imageFile, ImageStore, type StoredImage } from "../store/image-store.ts";
import { parseImageVersion } from "../version/image-version.ts";
import { pullImage } from "./artifact/pull-image.ts";
import { pushImages } from "./artifact/push-image.ts";
import type { TransferOptions } from "./oci/registry-http.ts";
import { exportImage } from "./release/export-image.ts";
import { downloadImage } from "./source/download-image.ts";
import { parseSource } from "./source/source.ts";
import { type FakeRegistry, sha256, startFakeRegistry } from "./testing/fake-registry.ts";
import { type FaultProxy, type ProxyFault, startFaultProxy } from "./testing/fault-proxy.ts";
import { addImage, noise, testVersion } from "./testing/images.ts";
import { verifyImage } from "./verify-image.ts";

const platform = realPlatform;
const architecture: Architecture = "amd64";
/** Short where a wait is what is tried out; elsewhere a busy machine must not look like a slow server. */
function patience(fault?: ProxyFault): TransferOptions {
  const isSlow = fault === "stalled in the middle" || fault === "dripping";
  return {
    retry: { attempts: isSlow ? 3 : 2, firstDelayMs: 1, maxDelayMs: 20 },
    timeouts: { responseMs: isSlow ? 2000 : 10_000, stallMs: isSlow ? 600 : 10_000 },
  };
}
/** Far above what the attempts' timeouts add up to, far below what a wait without a deadline would take. */
const deadlineMs = 30_000;

/** What an answer that is always so may come to, beside the right bytes where those can be had all the same. */
const outcomes: Readonly<Record<ProxyFault, readonly (KelpieErrorCode | "done")[]>> = {
  "cut in the middle": ["unreachable", "digest-mismatch"],
  "stalled in the middle": ["timeout"],
  corrupt: ["digest-mismatch", "malformed"],
  "other content of the same length": ["digest-mismatch", "malformed"],
  "refused as too many requests": ["unreachable"],
  "refused as an internal error": ["unreachable"],
  "longer than it says": ["digest-mismatch", "unreachable", "malformed"],
  // All of it came: who goes on where the connection ended, and knows its digest, has it.
  "shorter than it says": ["unreachable", "digest-mismatch", "done"],
  "longer than it should be": ["digest-mismatch", "malformed", "limit-exceeded"],
  "shorter than it should be": ["digest-mismatch", "malformed", "unreachable"],
  "redirected within its origin": ["done"],
  "redirected to another origin": ["done"],
  "redirected in a circle": ["unsupported", "unreachable"],
  dripping: ["timeout"],
  "in chunks that end too early": ["unreachable", "digest-mismatch"],
  "with headers that are none": ["unreachable"],
};
const faults = Object.keys(outcomes) as ProxyFault[];

interface Place {
  /** Of the proxy. */
  readonly host: string;
  readonly home: string;
  readonly target: FakeRegistry;
  readonly transfer: TransferOptions;
}

/** Somebody who talks to a server, and what of it is spoiled. */
interface Talk {
  readonly name: string;
  /** The server; absent for one to push to, of each play's own. */
  readonly upstream?: () => string;
  readonly matches: RegExp;
  /** Does it, by way of the proxy, and makes sure of the right bytes. */
  readonly run: (at: Place) => Promise<void>;
  /** What is no fault at all here, or is a refusal, since its answers have no bytes that count. */
  readonly differs?: Partial<Record<ProxyFault, readonly (KelpieErrorCode | "done")[]>>;
  /** What ends it even if it happens once: answers that cannot be told from what the server means. */
  readonly final?: readonly ProxyFault[];
}

const content = noise("a package", 60_000);
let directory = "";
let registry: FakeRegistry;
let page: ReturnType<typeof createServer>;
let image: StoredImage;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "kelpie-faults-"));
  registry = await startFakeRegistry();
  image = await addImage(platform, join(directory, "from"), architecture, {
    files: { "rootfs.ext4": noise("faults", 200_000) },
  });
  await pushImages({ platform, images: [image], repository: { host: registry.host, name: "repo" } });
  const dist = join(directory, "dist");
  await mkdir(dist);
  await exportImage({ platform, image, output: dist });
  await writeFile(join(dist, "package.deb"), content);
  page = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname.slice(1);
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? "0");
    void readFile(join(dist, path)).then(
      (bytes) => {
        const range = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
        response.writeHead(start > 0 ? 206 : 200, start > 0 ? range : {}).end(bytes.subarray(start));
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
});

after(async () => {
  await registry[Symbol.asyncDispose]();
  page.close();
  page.closeAllConnections();
  await rm(directory, { recursive: true });
});

async function assertFetched(home: string): Promise<void> {
  const store = new ImageStore(platform, home);
  const { images } = await store.list();
  const fetched = images.find(({ version }) => version.patch === image.version.patch);
  assert.ok(fetched !== undefined);
  for (const { kind } of await verifyImage(platform, store, fetched)) assert.equal(kind, "intact");
  assert.deepEqual(
    await readFile(imageFile(fetched, "rootfs.ext4")),
    await readFile(imageFile(image, "rootfs.ext4")),
  );
}

async function pull({ host, home, transfer }: Place): Promise<void> {
  const reference = { host, name: "repo", target: { kind: "tag", tag: testVersion } } as const;
  await pullImage({ platform, home, reference, architecture, transfer });
  await assertFetched(home);
}

async function push({ host, target, transfer }: Place): Promise<void> {
  await pushImages({ platform, images: [image], repository: { host, name: "repo" }, transfer });
  assert.ok(target.manifests.has(testVersion));
  for (const [digest, bytes] of target.blobs) assert.equal(sha256(bytes), digest);
}

async function download({ host, home, transfer }: Place): Promise<void> {
  const version = parseImageVersion(testVersion);
  const sources = [parseSource(`http://${host}`, platform.host, "/", "kelpie-base")];
  await downloadImage({ platform, home, name: "kelpie-base", version, architecture, sources, transfer });
  await assertFetched(home);
}

const pageHost = (): string => `127.0.0.1:${(page.address() as AddressInfo).port}`;
/** Answers to what is sent: their status and headers count, not what they say. */
const bodiless: Talk["differs"] = Object.fromEntries(
  faults.map((fault) => [fault, [...outcomes[fault], "done"] as const]),
);
const noRedirect = ["unsupported", "unreachable"] as const;
const sent: Talk["differs"] = {
  ...bodiless,
  "redirected within its origin": noRedirect,
  "redirected to another origin": noRedirect,
  "redirected in a circle": noRedirect,
};

/** No digest is known of it beforehand. */
const unknownContent: readonly ProxyFault[] = [
  "corrupt",
  "other content of the same length",
  "longer than it says",
  "longer than it should be",
  "shorter than it should be",
];
const redirects: readonly ProxyFault[] = [
  "redirected within its origin",
  "redirected to another origin",
  "redirected in a circle",
];

const talks: readonly Talk[] = [
  { name: "a part of a pull", upstream: () => registry.host, matches: /^GET \/v2\/repo\/blobs\//, run: pull },
  {
    name: "a manifest of a pull",
    upstream: () => registry.host,
    matches: /^GET \/v2\/repo\/manifests\//,
    run: pull,
    final: unknownContent,
    // A digest in it may be the one that is wrong then.
    differs: { corrupt: ["digest-mismatch", "malformed", "not-found"] },
  },
  {
    name: "the question of a push whether a part is there",
    matches: /^HEAD \/v2\/repo\/blobs\//,
    run: push,
    differs: bodiless,
  },
  {
    name: "the beginning of an upload",
    matches: /^POST \/v2\/repo\/blobs\/uploads/,
    run: push,
    differs: sent,
    final: redirects,
  },
  {
    name: "the end of an upload",
    matches: /^PUT \/v2\/repo\/blobs\/uploads/,
    run: push,
    differs: sent,
    final: redirects,
  },
  {
    name: "a manifest of a push",
    matches: /^PUT \/v2\/repo\/manifests\//,
    run: push,
    differs: sent,
    final: redirects,
  },
  { name: "the archive of a release", upstream: pageHost, matches: /^GET \/kelpie-base/, run: download },
  {
    name: "the checksums of a release",
    upstream: pageHost,
    matches: /^GET \/SHA256SUMS(\?|$)/,
    run: download,
    final: unknownContent,
    // Where what came is a shorter or another list, the archive is not in it.
    differs: {
      corrupt: ["digest-mismatch", "malformed", "not-found"],
      "longer than it says": ["digest-mismatch", "malformed", "not-found"],
      "shorter than it should be": ["digest-mismatch", "malformed", "not-found"],
    },
  },
  {
    name: "a package for a build",
    upstream: pageHost,
    matches: /^GET \/package\.deb/,
    run: async ({ host, home, transfer }) => {
      const cachePath = join(home, "package.deb");
      const digest = sha256(content).slice("sha256:".length);
      const url = `http://${host}/package.deb`;
      await downloadVerified(platform, { url, maxBytes: 1 << 20, sha256: digest, cachePath, ...transfer });
      assert.deepEqual(await readFile(cachePath), Buffer.from(content));
    },
  },
];

const keptVersion = "1.2.2-20260114-a3f4d20";

/** Runs `work` in a home of its own that has another image, which must not suffer. Returns how it ended. */
async function outcomeOf(work: (home: string) => Promise<void>): Promise<KelpieErrorCode | "done"> {
  const home = await mkdtemp(join(directory, "home-"));
  const files = { "rootfs.ext4": noise("kept", 10_000) };
  const kept = await addImage(platform, home, architecture, { version: keptVersion, files });
  const outcome = await codeOf(work(home));
  const store = new ImageStore(platform, home);
  for (const { kind } of await verifyImage(platform, store, kept)) assert.equal(kind, "intact");
  const visible = new Set([keptVersion, testVersion, "cache.json", ".blobs", ".verified"]);
  assert.deepEqual(
    (await readdir(join(home, "images"))).filter((name) => !visible.has(name)),
    [],
  );
  if (outcome !== "done") assert.equal((await store.list()).images.length, 1);
  await rm(home, { recursive: true });
  return outcome;
}

async function codeOf(work: Promise<void>): Promise<KelpieErrorCode | "done"> {
  const start = performance.now();
  try {
    await work;
    return "done";
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    return error.code;
  } finally {
    assert.ok(performance.now() - start < deadlineMs, "it took too long");
  }
}

/** Plays one talk against one fault. Returns how it ended. */
async function play(
  talk: Talk,
  fault: ProxyFault,
  times: number,
): Promise<[KelpieErrorCode | "done", FaultProxy]> {
  await using target = await startFakeRegistry();
  const upstream = talk.upstream?.() ?? target.host;
  await using proxy = await startFaultProxy(upstream, { fault, matches: talk.matches, times });
  const work = (home: string): Promise<void> =>
    talk.run({ host: proxy.host, home, target, transfer: patience(fault) });
  // A push and a package have nothing to do with the store.
  const touchesStore = talk.run === pull || talk.run === download;
  const outcome = touchesStore
    ? await outcomeOf(work)
    : await codeOf(work(await mkdtemp(join(directory, "home-"))));
  return [outcome, proxy];
}

describe("a server that does wrong,", { concurrency: 4 }, () => {
  for (const talk of talks) {
    describe(`of ${talk.name},`, { concurrency: 4 }, () => {
      for (const fault of faults) {
        const expected = talk.differs?.[fault] ?? outcomes[fault];
        const isFinal = talk.final?.includes(fault) === true;
        const once = isFinal ? "no better" : "mended";
        test(`an answer ${fault} is ${expected.join(" or ")}, and ${once} where it comes only once`, async () => {
          const [[always, proxy], [atOnce]] = await Promise.all([
            play(talk, fault, Number.POSITIVE_INFINITY),
            play(talk, fault, 1),
          ]);
          assert.ok(proxy.spoiled() > 0, "nothing was spoiled");
          assert.ok(expected.includes(always), always);
          assert.deepEqual(proxy.strayLogins, []);
          assert.ok(atOnce === "done" || (isFinal && expected.includes(atOnce)), atOnce);
        });
      }
    });
  }
});

const corrupted = (bytes: Buffer): Buffer => {
  const changed = Buffer.from(bytes);
  changed[bytes.length >> 1] = (changed[bytes.length >> 1] ?? 0) ^ 1;
  return changed;
};

for (const [fault, expected, spoil] of [
  ["whose archive is cut", "malformed", (path) => rewrite(path, (bytes) => bytes.subarray(0, -100))],
  ["whose archive is longer", "malformed", (path) => rewrite(path, (bytes) => Buffer.concat([bytes, bytes]))],
  ["whose archive is corrupt", "malformed", (path) => rewrite(path, corrupted)],
  ["whose archive is empty", "malformed", (path) => rewrite(path, () => Buffer.alloc(0))],
  ["whose archive is missing", "not-found", (path) => rm(path)],
  [
    "whose archive is a directory",
    "not-found",
    async (path) => {
      await rm(path);
      await mkdir(path);
    },
  ],
  ["without checksums", "not-found", (path) => rm(join(dirname(path), "SHA256SUMS"))],
  [
    "whose checksums are none",
    "malformed",
    (path) => writeFile(join(dirname(path), "SHA256SUMS"), "\0 no checksums\n"),
  ],
] as const satisfies readonly [string, KelpieErrorCode, (path: string) => Promise<void>][]) {
  test(`a directory ${fault} is ${expected}`, async () => {
    const dist = await mkdtemp(join(directory, "dist-"));
    const { path } = await exportImage({ platform, image, output: dist });
    await spoil(path);
    const sources = [parseSource(dist, platform.host, "/", "kelpie-base")];
    const version = parseImageVersion(testVersion);
    const outcome = await outcomeOf(async (home) => {
      await downloadImage({ platform, home, name: "kelpie-base", version, architecture, sources });
    });
    assert.equal(outcome, expected);
  });
}

async function rewrite(path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(path, change(await readFile(path)));
}
