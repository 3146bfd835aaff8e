// File systems that Kelpie wrote, in the hands of the guest's kernel: grown, filled, cut off, and judged by e2fsck afterwards.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { before, suite, test } from "node:test";
import { type ByteSource, bytesSource, type FileTree, writeExt4 } from "@kelpie/formats";
import { type Architecture, realPlatform } from "@kelpie/platform";
import { writeImageFile } from "../build/file-sink.ts";
import { boot, guestTree, machines, type Parts, prepare } from "../initrd/testing/pid1-vm.ts";

const architecture: Architecture = "amd64";
const { files } = realPlatform;
const agent = "usr/local/bin/kelpie-guest";
const owned = { uid: 0, gid: 0, mtimeSeconds: 0, mode: 0o644 };
/** Fifty thousand inodes take more than a group of 128 MiB. */
const diskBytes = 256 << 20;
const smallDiskBytes = 64 << 20;
const manyFiles = 50_000;
/** More pieces than four leaves of an extent tree hold, so that it takes a second level. */
const pieces = 1500;
const blockBytes = 4096;

const missing = [machines[architecture].program, "e2fsck"].filter(
  (program) => spawnSync(program, ["--version"]).error !== undefined,
);

/** Every second block holds its own number again and again; the others are holes. */
function sparse(): ByteSource {
  const bytes = new Uint8Array(2 * pieces * blockBytes);
  const view = new DataView(bytes.buffer);
  const dataRanges = Array.from({ length: pieces }, (_, index) => {
    const start = 2 * index * blockBytes;
    for (let at = start; at < start + blockBytes; at += 4) view.setUint32(at, index + 1);
    return { start, end: start + blockBytes };
  });
  return { ...bytesSource(bytes), dataRanges };
}

async function write(disk: string, tree: FileTree, journalBytes: number): Promise<void> {
  const seed = createHash("sha256").update("ext4 in the guest").digest();
  const options = { label: "kelpie-root", seed, timestampSeconds: 1_700_000_000, journalBytes };
  await writeImageFile(files, disk, (sink) => writeExt4(tree, sink, options));
}

function assertClean(disk: string): void {
  const { status, stdout, stderr } = spawnSync("e2fsck", ["-fn", disk], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

const ending = "kill -USR2 1\nsleep 60\n";
const complaints = "dmesg | grep -iE 'ext4.*(warn|error|corrupt|bad)'\n";

suite("the guest's kernel", { skip: missing.length > 0 && `${missing.join(", ")} not installed` }, () => {
  let parts: Parts;
  before(async () => {
    parts = await prepare(architecture);
  });

  test("reads a large directory and a sparse file, and grows the file system to its disk", async () => {
    await using directory = await files.temporaryDirectory("kelpie-ext4-");
    const disk = join(directory.path, "disk");
    const script = `#!/bin/sh
echo "names=$(ls /many | wc -l) last=$(cat /many/f${manyFiles - 1})"
echo "sparse=$(sha256sum </sparse) blocks=$(du -k /sparse)"
echo "before=$(df -k / | grep -o '/dev/vda.*')"
${complaints}echo "complaints end"
${ending}`;
    const tree = await guestTree(parts, { [agent]: script });
    const nothing = bytesSource(new Uint8Array(0));
    for (let index = 0; index < manyFiles; index += 1)
      tree.put(`many/f${index}`, { ...owned, kind: "file", content: nothing });
    tree.put(`many/f${manyFiles - 1}`, { ...owned, kind: "file", content: bytesSource(Buffer.from("here")) });
    const content = sparse();
    tree.put("sparse", { ...owned, kind: "file", content });
    await write(disk, tree, 0);
    const { sizeBytes = 0 } = (await files.stat(disk)) ?? {};
    assert.ok(sizeBytes < diskBytes);
    truncateSync(disk, diskBytes);
    const { console, code } = await boot({ architecture, parts, disk });
    assert.equal(code, 0, console);
    assert.match(console, new RegExp(`^names=${manyFiles} last=here$`, "m"));
    const sha256 = createHash("sha256")
      .update(content.bytes ?? "")
      .digest("hex");
    const [, found, kibibytes] = /^sparse=(\w+) .*blocks=(\d+)/m.exec(console) ?? [];
    assert.equal(found, sha256, console);
    // The data, and the blocks of the extent tree: five leaves and a node.
    assert.equal(Number(kibibytes), (pieces + 6) * 4);
    const [, total = 0] = /^before=\/dev\/vda +(\d+)/m.exec(console) ?? [];
    assert.ok(Number(total) > 0.8 * (diskBytes / 1024), console);
    assert.match(console, /^complaints end$/m);
    assert.doesNotMatch(console, /EXT4-fs.*(warn|error|corrupt|bad)/i);
    assertClean(disk);
  });

  test("recovers by the journal what a power cut has interrupted, and then fills the file system", async () => {
    await using directory = await files.temporaryDirectory("kelpie-ext4-");
    const disk = join(directory.path, "disk");
    const script = `#!/bin/sh
if [ -e /cut ]; then
  echo "kept=$(ls /data | wc -l)"
  dmesg | grep -o 'EXT4-fs.*recovery complete'
  dd if=/dev/zero of=/fill bs=1M 2>&1 | grep -o 'No space left.*'
  sync
  echo "after=$(df -k / | grep -o '/dev/vda.*')"
  ${complaints}  ${ending}
fi
echo yes >/cut
sync
index=0
while :; do
  index=$((index + 1))
  for copy in 1 2 3 4 5; do cat /bin/busybox >/data/$index.$copy; done
  rm -f /data/$((index - 1)).*
  [ $((index % 2)) = 0 ] && sync && echo "written $index"
done
`;
    const tree = await guestTree(parts, { [agent]: script });
    tree.put("data", { ...owned, mode: 0o755, kind: "directory" });
    await write(disk, tree, 4 << 20);
    truncateSync(disk, smallDiskBytes);
    const cut = await boot({ architecture, parts, disk, killAt: /^written 6$/m });
    assert.equal(cut.code, null, cut.console);
    const { console, code } = await boot({ architecture, parts, disk });
    assert.equal(code, 0, console);
    assert.match(console, /^EXT4-fs \(vda\): recovery complete$/m, console);
    assert.match(console, /^kept=[1-9]/m);
    assert.match(console, /^No space left/m);
    assert.match(console, /^after=\/dev\/vda .* 100% /m);
    assert.doesNotMatch(console, /EXT4-fs.*(warn|error|corrupt|bad)/i);
    assertClean(disk);
  });
});
