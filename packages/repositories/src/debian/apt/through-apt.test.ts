// The host's apt, driven with a state of our own, against a mirror on the loopback interface. Nothing of the host's
// sources is asked: the mirror is named.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { type Processes, realPlatform } from "@kelpie/platform";
import { openDebianMirror } from "../mirror/open-mirror.ts";
import { openDebian } from "../open-debian.ts";
import {
  type FixtureMirror,
  type FixtureOptions,
  makeSigningKey,
  startMirror,
} from "../testing/fixture-mirror.ts";
import { makeDeb } from "../testing/make-deb.ts";
import { smallWorld } from "../testing/world.ts";
import { hasApt } from "./private-apt.ts";
import { type DebianThroughAptOptions, openDebianThroughApt } from "./through-apt.ts";

const skip = (await hasApt(realPlatform)) ? false : "apt is not installed";
const scratch = mkdtempSync(join(tmpdir(), "kelpie-apt-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const debs = [
  ...(await smallWorld()),
  await makeDeb({ name: "foreign", version: "1", architecture: "arm64" }),
];
const key = await makeSigningKey();
const architectures = ["amd64", "arm64"];

let count = 0;
async function setting(
  t: TestContext,
  served: Partial<FixtureOptions> = {},
): Promise<{
  readonly mirror: FixtureMirror;
  readonly options: DebianThroughAptOptions;
  readonly reports: string[];
}> {
  const mirror = await startMirror({ debs, architectures, signedBy: [key], ...served });
  t.after(() => mirror[Symbol.asyncDispose]());
  const directory = join(scratch, String(count++));
  const keyring = `${directory}.asc`;
  writeFileSync(keyring, key.publicKey);
  const reports: string[] = [];
  const options: DebianThroughAptOptions = {
    platform: realPlatform,
    cacheDirectory: directory,
    architecture: "amd64",
    mirror: mirror.url,
    suites: ["bookworm"],
    keyrings: [keyring],
    report: (line) => reports.push(line),
  };
  return { mirror, options, reports };
}

/** Notes the programs that are run, with their last argument. */
function noting(started: string[]): Processes {
  const real = realPlatform.processes;
  const run: Processes["run"] = (command, args, options) => {
    started.push([command, ...args.slice(-1)].join(" "));
    return real.run(command, args, options);
  };
  return Object.assign(Object.create(real) as Processes, { run });
}

test("apt verifies and fetches what Kelpie's own client does, and the same is resolved", {
  skip,
}, async (t) => {
  const { options } = await setting(t);
  const apt = await openDebianThroughApt(options);
  const own = await openDebianMirror({
    ...options,
    keyrings: options.keyrings ?? [],
    cacheDirectory: `${options.cacheDirectory}-own`,
  });
  const chosen = apt.resolve(["tool"]);
  assert.deepEqual(chosen, own.resolve(["tool"]));
  const [throughApt, direct] = await Promise.all([
    apt.fetchAll(chosen.packages),
    own.fetchAll(chosen.packages),
  ]);
  assert.deepEqual(
    throughApt.map(({ entries }) => entries.map(({ path }) => path)),
    direct.map(({ entries }) => entries.map(({ path }) => path)),
  );
  assert.deepEqual([apt.through, own.through, (await openDebian(options)).through], ["apt", "mirror", "apt"]);
});

test("packages of another architecture than the host's are fetched the same way", { skip }, async (t) => {
  const { options } = await setting(t);
  const apt = await openDebianThroughApt({ ...options, architecture: "arm64" });
  const { packages } = apt.resolve(["foreign"]);
  assert.equal((await apt.fetchAll(packages))[0]?.control.get("Architecture"), "arm64");
  assert.throws(() => apt.find("sh"), { code: "not-found" });
});

test("a second opening asks neither the network nor apt, until the indexes are old", { skip }, async (t) => {
  const { mirror, options } = await setting(t);
  const first = await openDebianThroughApt(options);
  await first.fetchAll(first.resolve(["tool"]).packages);
  const requests = mirror.requests.length;
  const started: string[] = [];
  const platform = { ...realPlatform, processes: noting(started) };
  const again = await openDebianThroughApt({ ...options, platform });
  await again.fetchAll(again.resolve(["tool"]).packages);
  assert.equal(mirror.requests.length, requests);
  assert.deepEqual(
    started.filter((command) => !command.startsWith("apt-config")),
    [],
  );
  await openDebianThroughApt({ ...options, platform, maxIndexAgeMs: 0 });
  assert.ok(mirror.requests.length > requests);
});

test("a cache that was moved serves as it did, without a network", { skip }, async (t) => {
  const { options } = await setting(t);
  await openDebianThroughApt(options);
  const cacheDirectory = `${options.cacheDirectory}-moved`;
  await realPlatform.files.rename(options.cacheDirectory, cacheDirectory);
  t.after(() => realPlatform.files.remove(cacheDirectory));
  const moved = await openDebianThroughApt({ ...options, cacheDirectory, offline: true });
  assert.equal(moved.find("sh").version, "1:1.0-1");
});

test("when the mirror is gone, the indexes that are there go on, and it is said", { skip }, async (t) => {
  const { mirror, options, reports } = await setting(t);
  await openDebianThroughApt(options);
  await mirror[Symbol.asyncDispose]();
  const later = await openDebianThroughApt({ ...options, maxIndexAgeMs: 0 });
  assert.equal(later.find("sh").version, "1:1.0-1");
  assert.match(reports.join("\n"), /could not be refreshed/);
  assert.equal((await openDebianThroughApt({ ...options, offline: true })).find("sh").version, "1:1.0-1");
});

test("without indexes and without a network there is one clear error with apt's own words", {
  skip,
}, async (t) => {
  const { mirror, options } = await setting(t);
  await mirror[Symbol.asyncDispose]();
  await assert.rejects(openDebianThroughApt(options), {
    code: "unreachable",
    message: /bookworm\/main for amd64.*127\.0\.0\.1/s,
  });
  await assert.rejects(openDebianThroughApt({ ...options, offline: true }), { code: "unreachable" });
});

const refusals: readonly (readonly [
  what: string,
  served: Partial<FixtureOptions>,
  damage: (mirror: FixtureMirror) => void,
])[] = [
  [
    "a release that nobody trusted has signed",
    { signedBy: [await makeSigningKey("Another")] },
    () => undefined,
  ],
  ["a release without a signature", { signedBy: [] }, () => undefined],
  ["a release of an origin that is not Debian", { release: { Origin: "Third party" } }, () => undefined],
  [
    "an index that is not what the release says",
    {},
    (mirror) => mirror.breakPath("binary-amd64/", "corrupt"),
  ],
];

for (const [what, served, damage] of refusals) {
  test(`${what} is not used`, { skip }, async (t) => {
    const { mirror, options } = await setting(t, served);
    damage(mirror);
    await assert.rejects(openDebianThroughApt(options), { name: "KelpieError", code: "unreachable" });
  });
}

test("a third party's entry for the same suite neither breaks the opening nor is used", {
  skip,
}, async (t) => {
  const { mirror, options } = await setting(t);
  const third = await startMirror({
    debs: [await makeDeb({ name: "sh", version: "9" })],
    architectures,
    signedBy: [key],
    release: { Origin: "Third party" },
  });
  t.after(() => third[Symbol.asyncDispose]());
  const configuration = `${options.cacheDirectory}.conf`;
  const list = `${options.cacheDirectory}.list`;
  const [keyring = ""] = options.keyrings ?? [];
  writeFileSync(
    list,
    [third.url, mirror.url, `${third.url}/gone`]
      .map((url) => `deb [signed-by=${keyring}] ${url} bookworm main\n`)
      .join(""),
  );
  writeFileSync(configuration, `Dir::Etc::sourcelist "${list}";\nDir::Etc::sourceparts "/dev/null";\n`);
  const environment = { ...realPlatform.host.environment, APT_CONFIG: configuration };
  const platform = { ...realPlatform, host: { ...realPlatform.host, environment } };
  const { mirror: _named, ...own } = options;
  const repository = await openDebianThroughApt({ ...own, platform });
  assert.deepEqual(repository.find("sh").version, "1:1.0-1");
  assert.ok(repository.description.startsWith(mirror.url));
});

for (const [fault, code] of [
  ["corrupt", "digest-mismatch"],
  ["not-found", "unreachable"],
] as const) {
  test(`an archive that is met with "${fault}" is one clear error, and the cache stays clean`, {
    skip,
  }, async (t) => {
    const { mirror, options } = await setting(t);
    const repository = await openDebianThroughApt(options);
    mirror.breakPath("pool/", fault);
    await assert.rejects(repository.fetch(repository.find("sh")), { name: "KelpieError", code });
    assert.deepEqual(readdirSync(join(options.cacheDirectory, "debian/archives")), []);
  });
}

test("indexes that were damaged in the cache are fetched again", { skip }, async (t) => {
  const { options } = await setting(t);
  await openDebianThroughApt(options);
  const index = readdirSync(options.cacheDirectory, { recursive: true, encoding: "utf8" }).find((name) =>
    name.endsWith("_Packages"),
  );
  assert.ok(index !== undefined);
  const path = join(options.cacheDirectory, index);
  const whole = readFileSync(path, "utf8");
  writeFileSync(path, whole.replace("Version: 0.1", "Version: 0.2"));
  await assert.rejects(openDebianThroughApt({ ...options, offline: true }), { code: "unreachable" });
});

test("nothing of the system's apt is touched", { skip }, async (t) => {
  const { options } = await setting(t);
  const paths = [
    "/var/lib/apt/lists",
    "/var/cache/apt",
    "/var/cache/apt/archives",
    "/var/lib/dpkg/status",
  ].filter((path) => existsSync(path));
  const times = (): number[] => paths.map((path) => statSync(path).mtimeMs);
  const before = times();
  const repository = await openDebianThroughApt(options);
  await repository.fetch(repository.find("sh"));
  assert.deepEqual(times(), before);
});
