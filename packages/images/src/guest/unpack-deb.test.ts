import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesSource, MemorySink, type TarSourceEntry, writeTar } from "@kelpie/formats";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { unpackDeb } from "./unpack-deb.ts";

const { files } = realPlatform;
const everything = (): boolean => true;

/** An ar archive of one member, as far as deb(5) asks for more it is not looked at. */
async function deb(entries: readonly TarSourceEntry[]): Promise<Buffer> {
  const sink = new MemorySink();
  await writeTar(entries, sink);
  const data = sink.toBytes();
  const header = `${"data.tar".padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(data.length).padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(`!<arch>\n${header}`), data, Buffer.alloc(data.length % 2)]);
}

test("a package that dpkg-deb made is unpacked as far as it is wanted", async (context) => {
  if (spawnSync("dpkg-deb", ["--version"]).error !== undefined) {
    context.skip("dpkg-deb is not installed");
    return;
  }
  await using directory = await files.temporaryDirectory("kelpie-deb-");
  const tree = join(directory.path, "tree");
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  mkdirSync(join(tree, "usr/lib/deep"), { recursive: true });
  mkdirSync(join(tree, "usr/share"), { recursive: true });
  writeFileSync(
    join(tree, "DEBIAN/control"),
    "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n",
  );
  writeFileSync(join(tree, "usr/lib/tool"), "#!/bin/sh\n");
  chmodSync(join(tree, "usr/lib/tool"), 0o755);
  writeFileSync(join(tree, "usr/share/manual"), "no");
  symlinkSync("tool", join(tree, "usr/lib/relative"));
  symlinkSync("/usr/lib/tool", join(tree, "usr/lib/deep/absolute"));
  const archive = join(directory.path, "x.deb");
  assert.equal(spawnSync("dpkg-deb", ["--root-owner-group", "-b", tree, archive]).status, 0);
  const root = join(directory.path, "root");
  await unpackDeb(files, archive, root, (path) => path.startsWith("usr/lib/"));
  assert.equal(readFileSync(join(root, "usr/lib/tool"), "utf8"), "#!/bin/sh\n");
  assert.equal(statSync(join(root, "usr/lib/tool")).mode & 0o777, 0o755);
  assert.equal(readlinkSync(join(root, "usr/lib/relative")), "tool");
  assert.equal(readFileSync(join(root, "usr/lib/deep/absolute"), "utf8"), "#!/bin/sh\n");
  assert.throws(() => lstatSync(join(root, "usr/share")));
});

test("a file that a package puts behind its own link is refused, and nothing is written there", async () => {
  await using directory = await files.temporaryDirectory("kelpie-deb-");
  const owned = { mode: 0o777, uid: 0, gid: 0, mtimeSeconds: 0 };
  const content = bytesSource(Buffer.from("out"));
  const bytes = await deb([
    { path: "lib", node: { ...owned, kind: "symlink", target: "../outside" } },
    { path: "lib/evil", node: { ...owned, kind: "file", content } },
  ]);
  const archive = join(directory.path, "x.deb");
  writeFileSync(archive, bytes);
  await assert.rejects(
    unpackDeb(files, archive, join(directory.path, "root"), everything),
    (error) => KelpieError.is(error) && error.code === "unsafe-path",
  );
  assert.equal(await files.lstat(join(directory.path, "outside")), undefined);
});
