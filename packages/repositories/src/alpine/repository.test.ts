// Alpine repositories through the whole network path, on a mirror that the test makes.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { textSource } from "@kelpie/formats";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type Mirror, startMirror } from "../testing/mirror.ts";
import { type AlpineOptions, type AlpineRepository, openAlpineRepositories } from "./repository.ts";
import {
  createTestKey,
  type MadePackage,
  makeIndex,
  makePackage,
  type TestPackage,
} from "./testing/packages.ts";

const key = createTestKey();
const owned = { uid: 0, gid: 0, mtimeSeconds: 1_700_000_000 };

function tool(name: string, version: string, depend?: string): TestPackage {
  return {
    name,
    version,
    info: depend === undefined ? [] : [["depend", depend]],
    files: [
      {
        path: name,
        node: { kind: "file", mode: 0o755, ...owned, content: textSource(`${name} ${version}`) },
      },
    ],
  };
}

const base = await Promise.all(
  [tool("lib", "1-r0"), tool("app", "2-r0", "lib")].map((it) => makePackage(it, { key })),
);
const edge = await Promise.all(
  [tool("lib", "3-r0"), tool("new", "1-r0")].map((it) => makePackage(it, { key })),
);

interface World extends AsyncDisposable {
  readonly mirror: Mirror;
  readonly cacheDirectory: string;
  open(more?: Partial<AlpineOptions>): Promise<AlpineRepository>;
}

async function world(): Promise<World> {
  const mirror = await startMirror();
  const cacheDirectory = await mkdtemp(join(tmpdir(), "kelpie-alpine-"));
  await publish(mirror, "/main", base);
  await publish(mirror, "/edge", edge);
  return {
    mirror,
    cacheDirectory,
    open: (more) =>
      openAlpineRepositories({
        platform: realPlatform,
        cacheDirectory,
        repositories: [{ url: `${mirror.url}/main` }, { url: `${mirror.url}/edge/`, tag: "edge" }],
        architecture: "amd64",
        keys: new Map([[key.name, key.publicPem]]),
        retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 },
        timeouts: { responseMs: 500, stallMs: 500 },
        ...more,
      }),
    [Symbol.asyncDispose]: async () => {
      await mirror[Symbol.asyncDispose]();
      await rm(cacheDirectory, { recursive: true });
    },
  };
}

async function publish(mirror: Mirror, path: string, packages: readonly MadePackage[]): Promise<void> {
  for (const { record, bytes } of packages)
    mirror.put(`${path}/x86_64/${record.name}-${record.version}.apk`, bytes);
  const records = packages.map(({ record }) => record);
  mirror.put(`${path}/x86_64/APKINDEX.tar.gz`, await makeIndex(records, { key }));
}

const indexPath = "/main/x86_64/APKINDEX.tar.gz";
const appPath = "/main/x86_64/app-2-r0.apk";

async function fetchAll(repository: AlpineRepository, wanted: readonly string[]): Promise<string[]> {
  const titles: string[] = [];
  for (const chosen of repository.resolve(wanted).packages) {
    const { record, entries } = await repository.fetch(chosen);
    titles.push(`${record.name}-${record.version}: ${entries.map(({ path }) => path).join()}`);
  }
  return titles;
}

test("a world is resolved, downloaded and read", async () => {
  await using at = await world();
  const repository = await at.open();
  assert.deepEqual(await fetchAll(repository, ["app"]), ["lib-1-r0: lib", "app-2-r0: app"]);
  assert.deepEqual(await fetchAll(repository, ["app", "lib@edge"]), ["lib-3-r0: lib", "app-2-r0: app"]);
  const { packages, reasons } = repository.resolve(["app"]);
  assert.equal(packages.at(1)?.location, `${at.mirror.url}${appPath}`);
  assert.equal(packages.at(1)?.digest, `apk-c:${base[1]?.record.checksum ?? ""}`);
  assert.deepEqual(
    [...reasons],
    [
      ["lib", "depends: lib of app-2-r0"],
      ["app", "world: app"],
    ],
  );
  assert.deepEqual(repository.indexes.at(0)?.description, "a test's mirror");
});

test("a tagged repository gives nothing that is not asked of it", async () => {
  await using at = await world();
  const repository = await at.open();
  assert.throws(() => repository.resolve(["new"]), /ask for new@edge/);
  assert.equal(repository.resolve(["new@edge"]).packages.length, 1);
});

test("a warm cache answers without the network, and knows a changed mirror by asking", async () => {
  await using at = await world();
  await fetchAll(await at.open(), ["app"]);
  const count = at.mirror.seen.length;
  await fetchAll(await at.open(), ["app"]);
  await fetchAll(await at.open({ offline: true }), ["app"]);
  assert.equal(at.mirror.seen.length, count);
  await at.open({ maxIndexAgeMs: 0 });
  assert.deepEqual(
    at.mirror.seen.slice(count).map(({ status }) => status),
    [304, 304],
  );
  await publish(at.mirror, "/main", await Promise.all([makePackage(tool("app", "9-r0"), { key })]));
  const later = await at.open({ maxIndexAgeMs: 0 });
  assert.deepEqual(await fetchAll(later, ["app"]), ["app-9-r0: app"]);
});

test("what a lock records is fetched from the cache when the mirror no longer has it, and needs no index for it", async () => {
  await using at = await world();
  const { packages } = (await at.open()).resolve(["app"]);
  const first = await at.open();
  for (const chosen of packages) await first.fetch(chosen);
  at.mirror.remove(appPath);
  await publish(at.mirror, "/main", await Promise.all([makePackage(tool("other", "1-r0"), { key })]));
  const later = await at.open({ maxIndexAgeMs: 0 });
  for (const chosen of packages) assert.equal((await later.fetch(chosen)).record.version, chosen.version);
});

test("faults of a mirror that pass are mended", async () => {
  await using at = await world();
  at.mirror.fail(indexPath, { kind: "truncate", afterBytes: 100 }, { kind: "corrupt", atByte: 400 });
  at.mirror.fail(appPath, { kind: "corrupt", atByte: 500 }, { kind: "stall", afterBytes: 300 });
  assert.deepEqual(await fetchAll(await at.open(), ["app"]), ["lib-1-r0: lib", "app-2-r0: app"]);
});

test("a package that another stands for is refused, and nothing of it stays in the cache", async () => {
  await using at = await world();
  const repository = await at.open();
  const [first, second] = base;
  assert.ok(first !== undefined && second !== undefined);
  at.mirror.put(appPath, first.bytes);
  await assert.rejects(fetchAll(repository, ["app"]), { code: "digest-mismatch" });
  const imitation = await makePackage(tool("app", "2-r0", "lib lib"), { key: createTestKey(key.name) });
  at.mirror.put(appPath, imitation.bytes);
  await assert.rejects(
    fetchAll(repository, ["app"]),
    (error) => KelpieError.is(error) && error.message.includes("app"),
  );
  const libFile = `${Buffer.from(first.record.checksum.slice(2), "base64").toString("hex")}.apk`;
  assert.deepEqual(await readdir(join(at.cacheDirectory, "alpine/packages")), [libFile]);
  at.mirror.put(appPath, second.bytes);
  assert.equal((await fetchAll(repository, ["app"])).length, 2);
});

test("an index that does not verify is refused, and the one in the cache stays", async () => {
  await using at = await world();
  await at.open();
  const foreign = createTestKey("foreign-0003.rsa.pub");
  at.mirror.put(indexPath, await makeIndex([], { key: foreign }));
  await assert.rejects(at.open({ maxIndexAgeMs: 0 }), { code: "untrusted-key" });
  at.mirror.put(indexPath, await makeIndex([], { key: { ...foreign, name: key.name } }));
  await assert.rejects(at.open({ maxIndexAgeMs: 0 }), { code: "signature-invalid" });
  assert.equal((await at.open({ offline: true })).resolve(["app"]).packages.length, 2);
});

test("a key that is withdrawn is not trusted in the cache either", async () => {
  await using at = await world();
  await at.open();
  const other = createTestKey("other-0004.rsa.pub");
  const keys = new Map([[other.name, other.publicPem]]);
  await assert.rejects(at.open({ keys }), { code: "untrusted-key" });
  await assert.rejects(at.open({ keys, offline: true }), { code: "unreachable" });
});

test("a mirror that is missing, or has no such release, is one clear error", async () => {
  await using at = await world();
  at.mirror.remove(indexPath);
  await assert.rejects(at.open(), { code: "not-found" });
  const repositories = [{ url: "http://127.0.0.1:1/alpine" }];
  await assert.rejects(at.open({ repositories }), (error) => {
    assert.ok(KelpieError.is(error) && error.code === "unreachable");
    assert.match(error.message, /127\.0\.0\.1:1.*after 3 attempts/s);
    return true;
  });
  await assert.rejects(at.open({ repositories: [{ url: "ftp://mirror/alpine" }] }), {
    code: "invalid-input",
  });
});
