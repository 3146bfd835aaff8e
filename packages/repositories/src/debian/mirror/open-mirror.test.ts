// Kelpie's own client, against a mirror on the loopback interface that lies, stalls and breaks.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { type Clock, type Platform, realPlatform } from "@kelpie/platform";
import {
  type FixtureMirror,
  type FixtureOptions,
  makeSigningKey,
  type SigningKey,
  startMirror,
} from "../testing/fixture-mirror.ts";
import { makeDeb } from "../testing/make-deb.ts";
import { smallWorld } from "../testing/world.ts";
import { type DebianMirrorOptions, openDebianMirror } from "./open-mirror.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-mirror-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const debs = await smallWorld();
const key = await makeSigningKey();
const otherKey = await makeSigningKey("Another");
const hour = 3_600_000;
const impatient = {
  retry: { attempts: 2, firstDelayMs: 1, maxDelayMs: 1 },
  timeouts: { responseMs: 5000, stallMs: 200 },
};

interface Setting {
  readonly mirror: FixtureMirror;
  readonly options: DebianMirrorOptions;
  readonly reports: string[];
}

let count = 0;
async function setting(
  t: TestContext,
  served: Partial<FixtureOptions> = {},
  trusted: readonly SigningKey[] = [key],
): Promise<Setting> {
  const mirror = await startMirror({ debs, signedBy: [key], ...served });
  t.after(() => mirror[Symbol.asyncDispose]());
  const directory = join(scratch, String(count++));
  const keyring = `${directory}.asc`;
  writeFileSync(keyring, trusted.map(({ publicKey }) => publicKey).join("\n"));
  const reports: string[] = [];
  const options: DebianMirrorOptions = {
    platform: realPlatform,
    cacheDirectory: directory,
    architecture: "amd64",
    mirror: mirror.url,
    suites: ["bookworm"],
    keyrings: [keyring],
    transfer: impatient,
    report: (line) => reports.push(line),
  };
  return { mirror, options, reports };
}

/** The platform at another time of day. */
function at(nowMs: number): Platform {
  const clock: Clock = Object.assign(Object.create(realPlatform.clock) as Clock, { nowMs: () => nowMs });
  return { ...realPlatform, clock };
}

/** Nothing in the cache has a name that a later run would believe. */
function visibleFiles({ options }: Setting): string[] {
  if (!existsSync(options.cacheDirectory)) return [];
  return readdirSync(options.cacheDirectory, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}

test("a world is resolved, fetched and verified from the archive's key down to the files", async (t) => {
  const { mirror, options } = await setting(t);
  const repository = await openDebianMirror(options);
  const { packages } = repository.resolve(["tool"]);
  assert.deepEqual(
    packages.map(({ name }) => name),
    ["libc6", "sh", "base-files", "tool"],
  );
  const archives = await repository.fetchAll(packages);
  assert.deepEqual(
    archives.map((archive) => archive.package),
    packages,
  );
  assert.equal(repository.through, "mirror");
  const deb = debs.find(({ spec }) => spec.name === "sh");
  const [sh] = packages.filter(({ name }) => name === "sh");
  assert.ok(sh !== undefined && deb !== undefined);
  assert.deepEqual(readFileSync(await repository.download(sh)), Buffer.from(deb.bytes));
  assert.ok(mirror.requests.some((path) => path.includes("/by-hash/SHA256/")));
  assert.equal(
    mirror.requests.filter((path) => path.startsWith("pool/")).length,
    4,
    "each archive is downloaded once",
  );
});

test("what was fetched is used again without the mirror", async (t) => {
  const { mirror, options } = await setting(t);
  const first = await openDebianMirror(options);
  const chosen = first.resolve(["tool"]).packages;
  await first.fetchAll(chosen);
  const before = mirror.requests.length;
  const again = await openDebianMirror({ ...options, offline: true });
  assert.deepEqual(again.resolve(["tool"]).packages, chosen);
  await again.fetchAll(chosen);
  await openDebianMirror(options);
  assert.equal(mirror.requests.length, before);
});

test("indexes are refreshed once they are old, and not before", async (t) => {
  const { mirror, options } = await setting(t);
  await openDebianMirror(options);
  await mirror.publish({
    debs: [...debs, await makeDeb({ name: "new", version: "1" })],
    signedBy: [key],
    date: new Date(Date.now() - 1000),
  });
  const soon = await openDebianMirror({ ...options, platform: at(Date.now() + hour / 2) });
  assert.throws(() => soon.find("new"), { code: "not-found" });
  const later = await openDebianMirror({ ...options, platform: at(Date.now() + 2 * hour) });
  assert.equal(later.find("new").version, "1");
});

test("when the mirror cannot be reached, the indexes that are there go on, and it is said", async (t) => {
  const { mirror, options, reports } = await setting(t);
  await openDebianMirror(options);
  mirror.breakPath("InRelease", "unavailable");
  const later = await openDebianMirror({ ...options, platform: at(Date.now() + 2 * hour) });
  assert.equal(later.find("sh").version, "1:1.0-1");
  assert.match(reports.join("\n"), /could not be refreshed/);
});

test("a mirror cannot make us go back to an older release", async (t) => {
  const { mirror, options, reports } = await setting(t);
  await openDebianMirror(options);
  await mirror.publish({ debs: [], signedBy: [key], date: new Date(Date.now() - 24 * hour) });
  const later = await openDebianMirror({ ...options, platform: at(Date.now() + 2 * hour) });
  assert.equal(later.find("sh").version, "1:1.0-1");
  assert.match(reports.join("\n"), /older release/);
});

test("one valid signature of a trusted key is enough among others", async (t) => {
  const { options } = await setting(t, { signedBy: [otherKey, key] });
  assert.equal((await openDebianMirror(options)).find("sh").name, "sh");
});

test("several keys in one armored file are all trusted, and so is a binary keyring", async (t) => {
  const { options } = await setting(t, {}, [otherKey, key]);
  assert.equal((await openDebianMirror(options)).find("sh").name, "sh");
  const binary = join(scratch, "binary.gpg");
  writeFileSync(binary, key.privateKey.toPublic().write());
  const fresh = await setting(t);
  assert.equal((await openDebianMirror({ ...fresh.options, keyrings: [binary] })).find("sh").name, "sh");
});

test("a detached signature is taken where there is no InRelease", async (t) => {
  const { mirror, options } = await setting(t);
  mirror.replace("dists/bookworm/InRelease", () => undefined);
  assert.equal((await openDebianMirror(options)).find("sh").name, "sh");
  assert.equal((await openDebianMirror({ ...options, offline: true })).find("sh").name, "sh");
});

test("an index is found by its name where the mirror has it not by hash", async (t) => {
  const { mirror, options } = await setting(t);
  mirror.breakPath("by-hash", "not-found");
  assert.equal((await openDebianMirror(options)).find("sh").name, "sh");
});

test("a transfer that breaks once is made again", async (t) => {
  for (const part of ["InRelease", "Packages", "by-hash", "pool/"]) {
    for (const fault of [
      "truncate",
      "unavailable",
      "stall",
      ...(part === "InRelease" ? [] : (["corrupt"] as const)),
    ] as const) {
      const { mirror, options } = await setting(t);
      mirror.breakPath(part, fault, 1);
      const repository = await openDebianMirror(options);
      assert.equal(
        (await repository.fetch(repository.find("sh"))).entries.length > 0,
        true,
        `${fault} of ${part}`,
      );
    }
  }
});

type Damage = (mirror: FixtureMirror) => void;
const change =
  (path: string, from: string, to: string): Damage =>
  (mirror) =>
    mirror.replace(path, (bytes) =>
      Buffer.from(Buffer.from(bytes).toString("latin1").replace(from, to), "latin1"),
    );
const inRelease = "dists/bookworm/InRelease";

const refusals: readonly (readonly [
  what: string,
  served: Partial<FixtureOptions>,
  damage: Damage,
  code: string,
])[] = [
  [
    "a release changed after it was signed",
    {},
    change(inRelease, "Label: Debian", "Label: Debiam"),
    "signature-invalid",
  ],
  [
    "a release signed by a key that is not trusted",
    { signedBy: [otherKey] },
    () => undefined,
    "untrusted-key",
  ],
  [
    "an unsigned InRelease",
    {},
    (mirror) => mirror.replace(inRelease, () => Buffer.from("Origin: Debian\n")),
    "malformed",
  ],
  ["no release at all", { signedBy: [] }, () => undefined, "not-found"],
  [
    "a release with the signature cut off",
    {},
    change(inRelease, "-----BEGIN PGP SIGNATURE-----", ""),
    "malformed",
  ],
  [
    "a release past its date",
    { release: { "Valid-Until": new Date(Date.now() - hour).toUTCString() } },
    () => undefined,
    "signature-invalid",
  ],
  [
    "a release from the future",
    { date: new Date(Date.now() + 72 * hour) },
    () => undefined,
    "signature-invalid",
  ],
  ["the release of another suite", { release: { Codename: "trixie" } }, () => undefined, "signature-invalid"],
  ["a release without the index", { architectures: ["arm64"] }, () => undefined, "not-found"],
  [
    "an index that is corrupt wherever it is asked for",
    {},
    (mirror) => mirror.breakPath("binary-amd64/", "corrupt"),
    "digest-mismatch",
  ],
  ["an index that never ends", {}, (mirror) => mirror.breakPath("binary-amd64/", "stall"), "timeout"],
  ["an index that is cut off", {}, (mirror) => mirror.breakPath("binary-amd64/", "truncate"), "unreachable"],
  ["an index that is missing", {}, (mirror) => mirror.breakPath("binary-amd64/", "not-found"), "not-found"],
  ["a signed index that is no index", { editPackages: () => "nonsense\n\n" }, () => undefined, "malformed"],
];

for (const [what, served, damage, code] of refusals) {
  test(`${what} is refused, and the same cache serves when the mirror is right again`, async (t) => {
    const found = await setting(t, served);
    damage(found.mirror);
    await assert.rejects(openDebianMirror(found.options), { name: "KelpieError", code });
    const left = visibleFiles(found).filter((name) => name.startsWith(".") || name.endsWith(".deb"));
    assert.deepEqual(left, []);
    await found.mirror.publish({ debs, signedBy: [key] });
    found.mirror.mend();
    const repository = await openDebianMirror({ ...found.options, maxIndexAgeMs: 0 });
    assert.equal(repository.find("sh").version, "1:1.0-1");
  });
}

test("an expired release is taken where that is asked for", async (t) => {
  const { options } = await setting(t, {
    release: { "Valid-Until": new Date(Date.now() - hour).toUTCString() },
  });
  assert.equal((await openDebianMirror({ ...options, allowExpired: true })).find("sh").name, "sh");
});

const archiveFaults = [
  ["corrupt", "digest-mismatch"],
  ["truncate", "unreachable"],
  ["stall", "timeout"],
  ["not-found", "not-found"],
  ["unavailable", "unreachable"],
] as const;

for (const [fault, code] of archiveFaults) {
  test(`an archive that is always met with "${fault}" is one clear error, and the cache stays clean`, async (t) => {
    const found = await setting(t);
    const repository = await openDebianMirror(found.options);
    found.mirror.breakPath("pool/main/s/", fault, 50);
    await assert.rejects(repository.fetchAll(repository.resolve(["tool"]).packages), {
      name: "KelpieError",
      code,
    });
    const debsLeft = readdirSync(join(found.options.cacheDirectory, "debian/archives"));
    const [sh] = debs.filter(({ spec }) => spec.name === "sh");
    assert.ok(!debsLeft.includes(`${sh?.sha256 ?? ""}.deb`));
    assert.ok(
      debsLeft.every((name) => !name.startsWith(".")),
      debsLeft.join(" "),
    );
  });
}

test("an archive that was damaged in the cache is downloaded again", async (t) => {
  const { options } = await setting(t);
  const repository = await openDebianMirror(options);
  const chosen = repository.find("sh");
  const path = await repository.download(chosen);
  writeFileSync(path, "damaged");
  assert.equal(readFileSync(await repository.download(chosen)).length, chosen.sizeBytes);
});

test("without a key, and with a keyring that is none, nothing is opened", async (t) => {
  const { options } = await setting(t);
  await assert.rejects(openDebianMirror({ ...options, keyrings: [] }), { code: "invalid-input" });
  const wrong = join(scratch, "wrong.asc");
  writeFileSync(wrong, "no key");
  await assert.rejects(openDebianMirror({ ...options, keyrings: [wrong] }), { code: "malformed" });
  await assert.rejects(openDebianMirror({ ...options, mirror: "file:///tmp" }), { code: "invalid-input" });
});

test("aborting ends a fetch that hangs", async (t) => {
  const { mirror, options } = await setting(t);
  const repository = await openDebianMirror({ ...options, transfer: {} });
  mirror.breakPath("pool/", "stall");
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error("enough")), 100);
  await assert.rejects(repository.fetch(repository.find("sh"), abort.signal));
});
