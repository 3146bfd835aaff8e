// Images from lists of sources: a release page that misbehaves, a directory, a registry.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Architecture, KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { imageFile, ImageStore } from "../../store/image-store.ts";
import { parseImageVersion } from "../../version/image-version.ts";
import { pushImages } from "../artifact/push-image.ts";
import { exportImage } from "../release/export-image.ts";
import { type Fault, startFakeRegistry } from "../testing/fake-registry.ts";
import { addImage, testVersion } from "../testing/images.ts";
import { type DownloadedImage, downloadImage } from "./download-image.ts";
import { configuredSources, parseSource } from "./source.ts";

const platform = realPlatform;
const architecture: Architecture = "amd64";
const transfer = {
  retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 },
  timeouts: { responseMs: 2_000, stallMs: 2_000 },
};

interface Page extends AsyncDisposable {
  readonly url: string;
  readonly requests: string[];
  /** Paths whose next answer is cut in the middle. */
  readonly cut: Set<string>;
}

/** A release page that serves the files of a directory, with ranges. */
async function startPage(directory: string): Promise<Page> {
  const requests: string[] = [];
  const cut = new Set<string>();
  const server = createServer((request, response) => {
    const path = (request.url ?? "").slice(1);
    requests.push(`${path} ${request.headers.range ?? ""}`.trim());
    void readFile(join(directory, path.replace(/^v[^/]*\//, ""))).then(
      (content) => {
        const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? "0");
        const headers = { "content-length": `${content.length - start}`, etag: '"x"' };
        const range = { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` };
        response.writeHead(start > 0 ? 206 : 200, start > 0 ? { ...headers, ...range } : headers);
        if (!cut.delete(path)) response.end(content.subarray(start));
        else
          response.write(content.subarray(start, start + 100_000), () =>
            setTimeout(() => response.destroy(), 50),
          );
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    cut,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface World extends AsyncDisposable {
  readonly directory: string;
  /** Has the image's asset and SHA256SUMS. */
  readonly dist: string;
  readonly asset: string;
  readonly home: string;
}

async function world(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-download-"));
  const dist = join(directory, "dist");
  await mkdir(dist);
  const image = await addImage(platform, join(directory, "from"), architecture);
  const { path } = await exportImage({ platform, image, output: dist });
  return {
    directory,
    dist,
    asset: path.slice(dist.length + 1),
    home: join(directory, "home"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

function download(home: string, ...sources: readonly string[]): Promise<DownloadedImage> {
  return downloadImage({
    platform,
    home,
    name: "kelpie-base",
    version: parseImageVersion(testVersion),
    architecture,
    sources: sources.map((source) => parseSource(source, platform.host, "/", "kelpie-base")),
    transfer,
  });
}

const hasCode =
  (code: KelpieErrorCode) =>
  (error: unknown): boolean => {
    assert.ok(KelpieError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };

test("the first source that has the image gives it, and the store is asked before any", async () => {
  await using at = await world();
  await using page = await startPage(at.dist);
  await mkdir(join(at.directory, "empty"));
  const { image, source } = await download(
    at.home,
    join(at.directory, "empty"),
    `${page.url}/none`,
    `${page.url}/v{release}/`,
  );
  assert.equal(source?.text, `${page.url}/v{release}/`);
  assert.deepEqual(page.requests, ["none/SHA256SUMS", "v1.2.3/SHA256SUMS", `v1.2.3/${at.asset}`]);
  assert.equal((await readFile(imageFile(image, "vmlinuz"))).length, 50_001);
  assert.deepEqual(await readdir(join(at.home, "cache/releases")), []);
  const again = await download(at.home, `${page.url}/v{release}`);
  assert.equal(again.source, undefined);
  assert.equal(page.requests.length, 3);
});

test("a download that is cut goes on where it was", async () => {
  await using at = await world();
  await using page = await startPage(at.dist);
  page.cut.add(at.asset);
  await download(at.home, page.url);
  assert.deepEqual(page.requests, ["SHA256SUMS", at.asset, `${at.asset} bytes=100000-`]);
});

test("a directory gives what its checksums name", async () => {
  await using at = await world();
  await download(at.home, at.dist);
  assert.equal((await new ImageStore(platform, at.home).list()).images.length, 1);
});

test("an asset that is not what its checksum says ends the search, wherever it stands", async () => {
  await using at = await world();
  await using page = await startPage(at.dist);
  const bytes = await readFile(join(at.dist, at.asset));
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(join(at.dist, at.asset), bytes);
  await assert.rejects(download(at.home, page.url), hasCode("digest-mismatch"));
  // Damaged in its middle, it fails at its checksum or where it is unpacked: never after.
  await assert.rejects(
    download(at.home, at.dist),
    (error) => KelpieError.is(error) && /digest-mismatch|malformed/.test(error.code),
  );
  assert.deepEqual((await new ImageStore(platform, at.home).list()).images, []);
});

test("an archive of another image under this one's name is refused", async () => {
  await using at = await world();
  const other = await addImage(platform, join(at.directory, "from"), architecture, {
    version: "1.2.4-20260115-a3f4d21",
  });
  await exportImage({ platform, image: other, output: join(at.dist, at.asset) });
  await assert.rejects(download(at.home, at.dist), hasCode("malformed"));
});

test("where no source has it, the message says why of each, and the code what hindered asking", async () => {
  await using at = await world();
  await using page = await startPage(at.directory);
  await assert.rejects(download(at.home, "/nonexistent", page.url, "127.0.0.1:1/x"), (error) => {
    assert.ok(KelpieError.is(error) && error.code === "unreachable");
    for (const each of ["/nonexistent: ", `${page.url}: `, "127.0.0.1:1/x: "])
      assert.ok(error.found?.includes(each), each);
    return error.help?.includes("sources:") === true;
  });
});

test("sources are listed in config.yaml, and a mistake in it is shown", async () => {
  await using at = await world();
  await mkdir(at.home);
  const read = async (text: string): Promise<unknown> => {
    await writeFile(join(at.home, "config.yaml"), text);
    return (await configuredSources(platform, at.home, "base")).map(({ text: _, ...source }) => source);
  };
  assert.deepEqual(await configuredSources(platform, join(at.directory, "absent"), "base"), []);
  assert.deepEqual(await read(""), []);
  assert.deepEqual(
    await read(
      "sources: [ghcr.io/org/x, localhost:5000, https://example.com/r/, ./dist, ~/images]\nother: 1\n",
    ),
    [
      { kind: "registry", repository: { host: "ghcr.io", name: "org/x" } },
      { kind: "registry", repository: { host: "localhost:5000", name: "base" } },
      { kind: "release", baseUrl: "https://example.com/r" },
      { kind: "directory", path: join(at.home, "dist") },
      { kind: "directory", path: join(platform.host.homeDirectory, "images") },
    ],
  );
  for (const wrong of ["sources: ghcr.io", "sources: [1]", "[", "- a"])
    await assert.rejects(read(wrong), hasCode("invalid-input"));
  for (const wrong of [
    "sources: [x]",
    "sources: ['http://example.com/']",
    "sources: ['https://u:p@example.com/']",
    "sources: ['https://example.com/?a']",
  ])
    await assert.rejects(read(wrong), hasCode("usage"));
});

/** Three parts. */
const leastKeptBytes = 3 * (64 << 10);

async function sizeOf(path: string): Promise<number> {
  return (await realPlatform.files.stat(path))?.sizeBytes ?? 0;
}

test("processes that are killed while they pull leave nothing broken, and the last one finishes from what they had", async () => {
  await using at = await world();
  await using registry = await startFakeRegistry();
  const { images } = await new ImageStore(platform, join(at.directory, "from")).list();
  await pushImages({ platform, images, repository: { host: registry.host, name: "repo" } });
  const reference = `${registry.host}/repo:${testVersion}`;
  const pull = (): ReturnType<typeof fork> =>
    fork(join(import.meta.dirname, "../testing/pull.ts"), [at.home, reference, architecture], {
      stdio: "ignore",
    });

  const kept = join(at.home, "cache/pulls", `${testVersion}.amd64`);
  // The metadata and one part, then the metadata alone: a part is missing each time.
  for (const blobs of [2, 1]) {
    const reached = Promise.withResolvers<undefined>();
    const none: readonly Fault[] = Array.from({ length: blobs }, () => ({ kind: "none" }));
    const silence: Fault = { kind: "silence", onReached: () => reached.resolve(undefined) };
    registry.fail("GET blobs/", ...none, silence);
    const child = pull();
    const exited = new Promise((resolve) => child.once("exit", resolve));
    await reached.promise;
    // The parts that are not held up go on meanwhile.
    while ((await sizeOf(kept)) < leastKeptBytes) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGKILL");
    await exited;
    assert.deepEqual(await new ImageStore(platform, at.home).list(), { images: [], broken: [] });
  }
  const before = registry.seen.length;
  const children = Array.from({ length: 4 }, pull);
  const codes = await Promise.all(
    children.map((child) => new Promise((resolve) => child.once("exit", resolve))),
  );
  assert.deepEqual(codes, [0, 0, 0, 0]);
  // Each of the four asks for the metadata; of all the parts, only those that were missing are asked for, once.
  const asked = registry.seen.slice(before).filter(({ path }) => path.startsWith("blobs/"));
  const parts = new Set(registry.seen.filter(({ method }) => method === "GET").map(({ path }) => path));
  assert.ok(asked.length - 4 <= parts.size - 3, `${asked.length} of ${parts.size}`);
  const [image] = (await new ImageStore(platform, at.home).list()).images;
  assert.ok(image !== undefined);
  const digest = async (path: string): Promise<string> =>
    createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  const [original] = images;
  assert.ok(original !== undefined);
  assert.equal(
    await digest(imageFile(image, "rootfs.ext4")),
    await digest(imageFile(original, "rootfs.ext4")),
  );
  assert.deepEqual((await readdir(join(at.home, "images"))).filter((name) => name.startsWith(".")).sort(), [
    ".blobs",
    ".verified",
  ]);
  assert.deepEqual(await readdir(join(at.home, "cache/pulls")), []);
});
