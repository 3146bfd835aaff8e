import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { vmmNames } from "@kelpie/sandbox";
import { examineHome, examineImages } from "./examine-home.ts";
import { examineAcceleration, examineDevices, examineEmulators, examineHost } from "./examine-machine.ts";
import { examineMonitors } from "./examine-monitors.ts";
import { examineAlpine, examineDebian, examineLogins } from "./examine-sources.ts";
import { formatFindings } from "./finding.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-doctor-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const { host } = realPlatform;
const signal = new AbortController().signal;
const bare: Platform = {
  ...realPlatform,
  host: { ...host, operatingSystem: "linux", architecture: "amd64", environment: {}, homeDirectory: scratch },
  processes: {
    ...realPlatform.processes,
    find: (name) => Promise.resolve(name === "dnf" ? "/usr/bin/dnf" : undefined),
  },
};

test("the emulator of the host's own architecture must be there, and each finding names the command that installs it", async () => {
  const [own, other] = await examineEmulators(bare);
  assert.deepEqual([own?.verdict, other?.verdict], ["broken", "limited"]);
  assert.equal(own?.fix, "sudo dnf install --assumeyes qemu-system-x86-core");
  assert.deepEqual(await examineAcceleration(bare, scratch, signal), []);
});

test("a host that Kelpie was never run on is not called proven", () => {
  const memoryBytes = 8e9;
  const verdict = (changes: Partial<Platform["host"]>): string =>
    examineHost({ host: { ...bare.host, memoryBytes, ...changes } }).verdict;
  assert.equal(verdict({}), "ok");
  assert.equal(verdict({ architecture: "arm64" }), "limited");
  assert.equal(verdict({ operatingSystem: "darwin" }), "limited");
  assert.equal(verdict({ architecture: undefined }), "broken");
  assert.equal(verdict({ memoryBytes: 5e8 }), "limited");
});

test("a home that is not made yet is judged by where it would be, and left unmade", async () => {
  const home = join(scratch, "not/there/yet");
  const [finding] = await examineHome(realPlatform, home);
  assert.equal(finding?.verdict, "ok");
  assert.match(finding.found, /not made yet/);
  assert.deepEqual(readdirSync(scratch), []);
});

test("a home that others may write, that is too long, or that is full, is told with what to do", async () => {
  const home = join(scratch, "home");
  mkdirSync(home);
  chmodSync(home, 0o777);
  const [open] = await examineHome(realPlatform, home);
  assert.deepEqual([open?.verdict, open?.fix], ["limited", `chmod go-w ${home}`]);
  chmodSync(home, 0o700);
  const full = { ...realPlatform, files: { ...realPlatform.files, freeBytes: () => Promise.resolve(1e6) } };
  assert.equal((await examineHome(full, home))[0]?.verdict, "limited");
  const [long] = await examineHome(realPlatform, join(scratch, "h".repeat(80)));
  assert.equal(long?.verdict, "broken");
});

test("a home that cannot be written is broken", async () => {
  const refuse = (): Promise<never> =>
    Promise.reject(new KelpieError("read-only", "The file system is read-only"));
  const files = { ...realPlatform.files, makeNewDirectory: refuse };
  const [finding] = await examineHome({ ...realPlatform, files }, scratch);
  assert.equal(finding?.verdict, "broken");
  assert.match(finding.cost ?? "", /read-only/);
});

test("an empty store points to the quickstart, and a damaged image to its directory", async () => {
  const home = join(scratch, "store");
  assert.deepEqual(
    (await examineImages(realPlatform, home)).map(({ verdict, fix }) => [verdict, fix]),
    [["limited", "kelpie quickstart"]],
  );
  mkdirSync(join(home, "images/1.0.0-20260101-0123abc"), { recursive: true });
  const [damaged] = await examineImages(realPlatform, home);
  assert.equal(damaged?.subject, "images/1.0.0-20260101-0123abc");
});

test("where packages and logins come from is said, and what is missing without them", async () => {
  assert.equal((await examineDebian(bare)).verdict, "limited");
  const named = {
    ...bare,
    host: { ...bare.host, environment: { KELPIE_DEBIAN_MIRROR: "http://deb.example" } },
  };
  assert.equal((await examineDebian(named)).found, "http://deb.example");
  const none = await examineLogins(bare);
  assert.deepEqual([none.verdict, none.found], ["limited", "none"]);
  const withToken = { ...bare, host: { ...bare.host, environment: { KELPIE_REGISTRY_TOKEN: "secret" } } };
  assert.equal((await examineLogins(withToken)).found, "KELPIE_REGISTRY_TOKEN");
});

test("virtiofsd is looked for where sandboxes look for it, and its absence says what it costs", async () => {
  const files = { ...realPlatform.files, stat: () => Promise.resolve(undefined) };
  const without = await examineDevices({ ...bare, files });
  const missing = without.find(({ subject }) => subject === "virtio-fs");
  assert.deepEqual([missing?.verdict, missing?.found], ["limited", "virtiofsd is not installed"]);
  assert.match(missing?.fix ?? "", /qemu-system-common/);
  const status = await realPlatform.files.stat(scratch);
  const place = "/usr/lib/virtiofsd";
  const there = {
    ...bare,
    files: { ...files, stat: (path: string) => Promise.resolve(path === place ? status : undefined) },
    processes: { ...bare.processes, run: () => realPlatform.processes.run("true", []) },
  };
  const found = (await examineDevices(there)).find(({ subject }) => subject === "virtio-fs");
  assert.deepEqual([found?.verdict, found?.found], ["ok", place]);
});

test("a mirror that does not answer limits what can be built", async () => {
  const request = (): Promise<never> => Promise.reject(new KelpieError("unreachable", "Cannot reach it"));
  const offline = { ...realPlatform, network: { ...realPlatform.network, request } };
  const finding = await examineAlpine(offline, signal);
  assert.deepEqual([finding.verdict, finding.found], ["limited", "Cannot reach it"]);
});

test("findings are a line each, with what they cost and what to do below", () => {
  const text = formatFindings([
    { subject: "a", verdict: "ok", found: "here" },
    { subject: "longer", verdict: "limited", found: "gone", cost: "much", fix: "run x" },
  ]);
  assert.equal(
    text,
    "ok       a       here\nlimited  longer  gone\n         costs: much\n         to change that: run x\n",
  );
});

test("each monitor has a line, with what installs one that is missing", async () => {
  const monitors = await examineMonitors(bare, scratch, signal);
  assert.deepEqual(
    monitors.map(({ subject, verdict }) => [subject, verdict]),
    vmmNames.map((name) => [`monitor ${name}`, "limited"]),
  );
  assert.ok(monitors.every(({ fix }) => fix !== undefined));
});
