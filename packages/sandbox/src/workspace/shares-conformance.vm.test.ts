// Every behaviour of a shared directory on every way in which it gets into a guest: one machine for each way.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { describeError, KelpieError, realPlatform } from "@kelpie/platform";
import { Sandbox } from "../lifecycle/sandbox.ts";
import { findTestImage } from "../testing/test-image.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage } from "../vmm/vmm.ts";
import { openShares } from "./open-shares.ts";
import type { Share, Transport } from "./share.ts";
import { buildConformanceImage } from "./testing/conformance-image.ts";
import { guestBehaviours } from "./testing/guest-behaviours.ts";
import { type GuestProbe, startProbe } from "./testing/guest-probe.ts";
import { liveBehaviours } from "./testing/live-behaviours.ts";
import type { Behaviour, Difference, World } from "./testing/world.ts";
import { findVirtioFsDaemon } from "./virtiofs-daemon.ts";

const home = join(tmpdir(), `kelpie-shares-${process.pid}`);
const probeFile = join(import.meta.dirname, "testing/probe.py");
const probeInGuest = "/root/probe.py";
const never = new AbortController().signal;
const behaviours: readonly Behaviour[] = [...guestBehaviours, ...liveBehaviours];
const found = await findTestImage("amd64");
const daemon = await findVirtioFsDaemon(realPlatform);
const wanted = process.env["KELPIE_SHARES"]?.split(",");
/** A user to become, where root runs this. */
const user = process.env["KELPIE_SHARES_USER"];
/** What the guest's kernel must have is known when it has been asked: a transport that it lacks is skipped, with its words. */
let image: BootImage | undefined;

before(async () => {
  if (!("skip" in found)) image = await buildConformanceImage(home);
  if (user !== undefined) await becomeUser(Number(user));
});
/** From here on this process is an ordinary user, to whom `home` belongs; the cache was another's. */
async function becomeUser(uid: number): Promise<void> {
  rmSync(join(home, "cache"));
  await mkdir(join(home, "cache"));
  await promisify(execFile)("chown", ["-R", String(uid), home]);
  process.env["HOME"] = home;
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
}
after(() => rmSync(home, { recursive: true, force: true }));

interface Booted extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly probes: readonly [GuestProbe, GuestProbe];
  readonly notes: string[];
}

async function boot(bootImage: BootImage, transport: Transport, shares: readonly Share[]): Promise<Booted> {
  const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const platform = { ...realPlatform, host: { ...realPlatform.host, uid, gid } };
  await using resources = new AsyncDisposableStack();
  const vmm = await openQemu(platform, { architecture: bootImage.architecture, home, signal: never });
  const attachments = await openShares({ platform, home, shares, transport, signal: never });
  const sandbox = resources.use(
    await Sandbox.create({
      ...{ platform, vmm, image: bootImage, home, memoryMiB: 256, bootTimeoutMs: 120_000 },
      ...{ attachments, start: "cold" },
    }),
  );
  await sandbox.files.write(probeInGuest, await readFile(probeFile));
  const notes: string[] = [];
  const start = (): GuestProbe => startProbe(sandbox, probeInGuest, (note) => notes.push(note));
  const probes = [start(), start()] as const;
  const kept = resources.move();
  return { sandbox, probes, notes, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const isRoot = user === undefined && process.getuid?.() === 0;
const differenceOf = ({ differs, forUsers }: Behaviour, transport: Transport): Difference | undefined =>
  (isRoot ? undefined : forUsers?.[transport]) ?? differs?.[transport];
const title = (name: string, differs: Difference | undefined): string =>
  differs === undefined ? name : `it is not so that ${name}: ${differs.sees}, because ${differs.because}`;

for (const transport of ["disk", "virtiofs", "9p"] as const) {
  const missing = transport === "virtiofs" && daemon === undefined ? "virtiofsd is not installed" : false;
  const unwanted = wanted?.includes(transport) === false ? "not asked for" : false;
  const skip = "skip" in found ? found.skip : missing || unwanted;
  describe(`a directory shared by ${transport}`, { skip, timeout: 600_000 }, () => describeShared(transport));
}

function describeShared(transport: Transport): void {
  const base = join(home, `hosts-${transport}`);
  const root = join(base, "shared");
  const readOnlyRoot = join(base, "read-only");
  let booted: Booted | undefined;
  let unsupported: string | undefined;

  before(async () => {
    for (const path of [root, readOnlyRoot, join(base, "outside")]) await mkdir(path, { recursive: true });
    await writeFile(join(readOnlyRoot, "file"), "as it is\n");
    await mkdir(join(readOnlyRoot, "directory"));
    for (const index of behaviours.keys()) await mkdir(join(base, "outside", `${index}`));
    await symlink(join(base, "outside"), join(root, "outward"));
    const shares = [
      { source: root, target: "/workspace", readOnly: false },
      { source: readOnlyRoot, target: "/mnt", readOnly: true },
    ];
    try {
      if (image !== undefined) booted = await boot(image, transport, shares);
    } catch (error) {
      if (!KelpieError.is(error) || error.code !== "unsupported") throw error;
      unsupported = describeError(error);
    }
  });
  after(() => booted?.[Symbol.asyncDispose]());

  const worldOf = (index: number): World => {
    assert.ok(booted);
    const [guest, other] = booted.probes.map((probe) => ({
      ask: (what: string, ...args: readonly unknown[]) => probe.ask(`/workspace/${index}`, what, args),
    }));
    assert.ok(guest && other);
    return {
      transport,
      guest,
      other,
      path: join(root, `${index}`),
      outside: join(base, "outside", `${index}`),
    };
  };
  const isTried = ({ isLive }: Behaviour): boolean => isLive !== true || transport !== "disk";

  for (const [index, behaviour] of behaviours.entries()) {
    if (!isTried(behaviour)) continue;
    const differs = differenceOf(behaviour, transport);
    test(title(behaviour.name, differs), async (t) => {
      if (unsupported !== undefined) {
        t.skip(unsupported);
        return;
      }
      const world = worldOf(index);
      if (transport !== "disk") await mkdir(world.path);
      assert.equal(await behaviour.observe(world), differs?.sees ?? "ok");
      for (const note of booted?.notes.splice(0) ?? []) t.diagnostic(note);
    });
  }

  test("a share that is read only stays as it is, whatever the guest's root tries", async (t) => {
    if (unsupported !== undefined) {
      t.skip(unsupported);
      return;
    }
    assert.equal(await booted?.probes[0].ask("/tmp", "stays_read_only", ["/mnt"]), "ok");
    assert.equal(await readFile(join(readOnlyRoot, "file"), "utf8"), "as it is\n");
    assert.deepEqual(await readdir(readOnlyRoot), ["directory", "file"]);
  });

  test("in the end the host has what the guest had", async (t) => {
    if (unsupported !== undefined) {
      t.skip(unsupported);
      return;
    }
    assert.ok(booted);
    for (const probe of booted.probes) await probe[Symbol.asyncDispose]();
    for (const report of await booted.sandbox.finish()) t.diagnostic(report);
    for (const [index, { name, atHome, differsAtHome, ...behaviour }] of behaviours.entries()) {
      if (atHome === undefined || !isTried({ name, ...behaviour })) continue;
      const differs = differsAtHome?.[transport];
      await t.test(title(name, differs), async () => {
        assert.equal(await atHome(worldOf(index)), differs?.sees ?? "ok");
      });
    }
  });
}
