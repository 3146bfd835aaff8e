import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { ImageStore } from "../store/image-store.ts";
import { formatImageVersion } from "../version/image-version.ts";
import { buildImage, planImage } from "./build-image.ts";
import { buildPhases } from "./progress.ts";
import { type SmallWorld, smallWorld } from "./testing/small-world.ts";

const text = `
overlays: [overlay]
users: [{name: me, uid: 1000, groups: [shadow]}]
environment: {EDITOR: vi}
hostname: small
files:
  /etc/motd: {content: "hello\\n", mode: "0600", owner: me}
  /sbin/later: {source: later.sh}
`;

async function withOverlay(world: SmallWorld, { umask }: { umask: number }): Promise<SmallWorld> {
  const overlay = join(world.directory, "overlay");
  await mkdir(join(overlay, "opt"), { recursive: true });
  await writeFile(join(overlay, "opt/run"), "#!/bin/sh\n");
  await chmod(join(overlay, "opt/run"), 0o777 & ~umask);
  await utimes(join(overlay, "opt/run"), umask, umask);
  await symlink("run", join(overlay, "opt/again"));
  await writeFile(join(world.directory, "later.sh"), "#!/bin/sh\n", { mode: 0o644 });
  return world;
}

/** The real platform on another day. */
function onDay(day: number): Platform {
  const { clock } = realPlatform;
  return { ...realPlatform, clock: { ...clock, nowMs: () => day * 86_400_000 } };
}

async function contents(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory);
  assert.ok(names.length > 4);
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, (await readFile(join(directory, name))).toString("base64")] as const),
    ),
  );
}

test("the same spec built in another directory, on another day and with another umask gives the same bytes", async () => {
  await using first = await withOverlay(await smallWorld({ text, platform: onDay(20_000) }), {
    umask: 0o022,
  });
  await using second = await withOverlay(await smallWorld({ text, platform: onDay(30_000) }), {
    umask: 0o077,
  });
  const [one, two] = [await buildImage(first.options), await buildImage(second.options)];
  assert.notEqual(one.image.directory, two.image.directory);
  assert.deepEqual(await contents(one.image.directory), await contents(two.image.directory));
  const again = await buildImage(first.options);
  assert.deepEqual(await contents(again.image.directory), await contents(two.image.directory));
});

test("another commit, version, environment or program gives another plan", async () => {
  await using world = await withOverlay(await smallWorld({ text }), { umask: 0o022 });
  const { options, spec } = world;
  const plan = await planImage(options);
  const others = [
    { ...options, source: { ...options.source, epochSeconds: 1_700_000_001 } },
    { ...options, spec: { ...spec, environment: {} } },
    { ...options, spec: { ...spec, freeBytes: 1 << 24 } },
  ];
  for (const other of others) assert.notDeepEqual(await planImage(other), plan);
  await writeFile(join(world.directory, "overlay/opt/run"), "#!/bin/bash\n");
  assert.notDeepEqual(await planImage(options), plan);
});

const skip = ["debugfs", "e2fsck"].every((name) => existsSync(`/sbin/${name}`))
  ? false
  : "no e2fsprogs are installed";

test("the image holds what spec and contract say, as e2fsprogs and cpio read it", { skip }, async () => {
  await using world = await withOverlay(await smallWorld({ text }), { umask: 0o022 });
  const { image } = await buildImage(world.options);
  assert.equal(formatImageVersion(image.version), "1.2.3-test-20231114-0123456");
  assert.equal(image.architecture, "arm64");
  const rootfs = join(image.directory, "rootfs.ext4");
  execFileSync("/sbin/e2fsck", ["-fn", rootfs], { stdio: "ignore" });
  const debugfs = (command: string): string =>
    execFileSync("/sbin/debugfs", ["-R", command, rootfs], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  for (const [path, expected] of [
    ["/etc/kelpie-version", "1.2.3-test-20231114-0123456\n"],
    ["/etc/kelpie-git-sha", "0123456789abcdef0123456789abcdef01234567\n"],
    ["/etc/kelpie-build-date", "2023-11-14T22:13:20Z\n"],
    ["/etc/hostname", "small\n"],
    ["/etc/motd", "hello\n"],
    ["/usr/sbin/init", "the init of a test"],
    ["/usr/local/bin/kelpie-guest", "the agent of a test"],
    ["/opt/run", "#!/bin/sh\n"],
  ] as const) {
    assert.equal(debugfs(`cat ${path}`), expected, path);
  }
  assert.match(debugfs("cat /etc/kelpie/environment"), /^PATH=.*\nLANG=C.UTF-8\nEDITOR=vi\n$/);
  assert.match(debugfs("cat /etc/passwd"), /^me:x:1000:1000::\/home\/me:\/bin\/sh$/m);
  assert.match(debugfs("cat /etc/group"), /^shadow:x:42:me$/m);
  const modes = (path: string): readonly string[] => {
    const stat = debugfs(`stat ${path}`);
    return ["Mode", "User", "Group", "Links"].map(
      (name) => new RegExp(`${name}: +(\\d+)`).exec(stat)?.[1] ?? "",
    );
  };
  assert.deepEqual(modes("/etc/motd"), ["0600", "1000", "0", "1"]);
  assert.deepEqual(modes("/usr/bin/tool"), ["04755", "0", "0", "1"]);
  assert.deepEqual(modes("/usr/share/a"), ["0644", "3", "4", "2"]);
  assert.deepEqual(modes("/etc/shadow"), ["0640", "0", "42", "1"]);
  assert.deepEqual(modes("/opt/run"), ["0755", "0", "0", "1"]);
  assert.deepEqual(modes("/workspace").slice(0, 3), ["0755", "0", "0"]);
  const initrd = gunzipSync(await readFile(join(image.directory, "initrd")));
  assert.ok(initrd.includes("the init of a test"));
});

test("a build reports its phases in order, each with its time", async () => {
  await using world = await withOverlay(await smallWorld({ text }), { umask: 0o022 });
  const seen: string[] = [];
  await buildImage({
    ...world.options,
    onProgress: (progress) => {
      if (progress.kind !== "working") seen.push(`${progress.kind} ${progress.phase}`);
      if (progress.kind === "finished") assert.ok(progress.durationMs >= 0);
    },
  });
  assert.deepEqual(
    seen,
    buildPhases.flatMap((phase) => [`started ${phase}`, `finished ${phase}`]),
  );
});

async function nothingIsLeft(world: SmallWorld): Promise<void> {
  const { images, broken } = await new ImageStore(realPlatform, world.home).list();
  assert.deepEqual([images, broken], [[], []]);
  const store = join(world.home, "images");
  if (existsSync(store)) {
    const names = await realPlatform.files.list(store);
    assert.deepEqual(
      names.filter((name) => name.startsWith(".staging")),
      [],
    );
  }
}

test("a build that is cancelled in any phase leaves nothing in the store", async () => {
  for (const phase of buildPhases) {
    await using world = await withOverlay(await smallWorld({ text }), { umask: 0o022 });
    const controller = new AbortController();
    const building = buildImage({
      ...world.options,
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.kind === "started" && progress.phase === phase)
          controller.abort(new KelpieError("cancelled", "No more"));
      },
    });
    await assert.rejects(building, { code: "cancelled" }, phase);
    await nothingIsLeft(world);
  }
});

test("a base tarball that is not the one of the spec is refused, and nothing is left", async () => {
  await using world = await smallWorld();
  await writeFile(join(world.directory, "base.tar.gz"), "another");
  await assert.rejects(buildImage(world.options), { code: "digest-mismatch" });
  await nothingIsLeft(world);
});

test("a root file system that does not fit its size is refused, and nothing is left", async () => {
  await using world = await smallWorld({ text: "size: 64KiB\n" });
  await assert.rejects(buildImage(world.options), { name: "KelpieError" });
  await nothingIsLeft(world);
});

test("where Alpine's mirror cannot be reached, the error names it, the cause and the command for the other spec", async () => {
  await using world = await smallWorld();
  const { options } = world;
  const spec = {
    ...world.spec,
    base: undefined,
    packages: ["busybox"],
    repositories: { alpine: [{ url: "https://mirror.example/alpine/v3.19/main" }], debian: undefined },
  };
  await assert.rejects(buildImage({ ...options, spec }), (error: unknown) => {
    assert.ok(KelpieError.is(error));
    assert.equal(error.code, "unreachable");
    assert.equal(error.where, "https://mirror.example/alpine/v3.19/main");
    assert.match(error.found ?? "", /This world has no repositories/);
    assert.match(error.help ?? "", /kelpie images build --spec images\/kelpie-debian\.yaml --arch arm64/);
    return true;
  });
  await nothingIsLeft(world);
});

test("the root file system has a journal where the spec asks for one, and none where it does not", async () => {
  await using world = await smallWorld();
  const { options, spec } = world;
  for (const journalBytes of [undefined, 4 << 20]) {
    const { image } = await buildImage({ ...options, spec: { ...spec, journalBytes } });
    const rootfs = await readFile(join(image.directory, "rootfs.ext4"));
    // s_feature_compat, of which 4 is has_journal.
    assert.equal((rootfs.readUInt32LE(1024 + 0x5c) & 4) !== 0, journalBytes !== undefined);
  }
});
