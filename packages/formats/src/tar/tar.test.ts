// What we write, others read; what others write, we read.

import fc from "fast-check";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MemorySink } from "../byte-sink.ts";
import { bytesSource, textSource } from "../byte-source.ts";
import { gzipMembers } from "../compression/gzip-members.ts";
import { all, chunked, list } from "../testing/streams.ts";
import { arbitraryEntries } from "../testing/trees.ts";
import { alpineFile, filter, scratchDirectory, unlessInstalled } from "../testing/tools.ts";
import { FileTree, type TreeEntry } from "../tree/file-tree.ts";
import type { FileNode } from "../tree/node.ts";
import { readTar } from "./read-tar.ts";
import { treeFromTar } from "./tree-from-tar.ts";
import { type TarSourceEntry, type WriteTarOptions, writeTar } from "./write-tar.ts";

const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1_700_000_000 };
const longName = `${"d".repeat(120)}/${"e".repeat(200)}/${"f".repeat(150)}`;

async function written(entries: Iterable<TarSourceEntry>, options?: WriteTarOptions): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeTar(entries, sink, options);
  return sink.toBytes();
}

async function readBack(archive: Uint8Array, chunkBytes = 65_536): Promise<FileTree> {
  return treeFromTar(chunked(archive, chunkBytes), {
    contentAt: (offset, sizeBytes) => bytesSource(archive.subarray(offset, offset + sizeBytes)),
  });
}

/** Everything that a tree says, hard links by the path of their first name. */
async function described(entries: Iterable<TreeEntry>): Promise<unknown[]> {
  const first = new Map<FileNode, string>();
  const described: unknown[] = [];
  for (const { path, node } of entries) {
    if (path === "") continue;
    const xattrs = [...(node.xattrs ?? [])]
      .map(([name, value]) => [name, Buffer.from(value).toString("hex")])
      .sort();
    if (node.kind !== "file") {
      described.push({ path, ...node, xattrs });
      continue;
    }
    if (!first.has(node)) first.set(node, path);
    const content = (await all(node.content.open())).toString("hex");
    described.push({ path, ...node, content, xattrs, sameAs: first.get(node) });
  }
  return described;
}

function richTree(): FileTree {
  const tree = new FileTree();
  tree.put("etc", { ...plain, kind: "directory", mode: 0o755 });
  const shadow: FileNode = { ...plain, kind: "file", mode: 0o640, gid: 42, content: textSource("root:*:\n") };
  tree.put("etc/shadow", shadow);
  tree.put("etc/shadow-", shadow);
  tree.put("etc/mtab", { ...plain, kind: "symlink", mode: 0o777, target: "../proc/mounts" });
  tree.put("dev/null", { ...plain, kind: "character-device", mode: 0o666, major: 1, minor: 3 });
  tree.put("dev/vda", { ...plain, kind: "block-device", mode: 0o660, gid: 6, major: 254, minor: 1_000_000 });
  tree.put("run/initctl", { ...plain, kind: "fifo", mode: 0o600 });
  tree.put("tmp", { ...plain, kind: "directory", mode: 0o1777 });
  tree.put("bin/su", {
    ...plain,
    kind: "file",
    mode: 0o4755,
    content: bytesSource(new Uint8Array(7000).fill(65)),
  });
  tree.put("bin/ping", {
    ...plain,
    kind: "file",
    content: textSource("ping"),
    xattrs: new Map([
      ["security.capability", Buffer.from("0100000200200000000000000000000000000000", "hex")],
      ["user.empty", new Uint8Array(0)],
    ]),
  });
  tree.put("home/ünïcödé 文件", {
    ...plain,
    kind: "file",
    uid: 3_000_000,
    gid: 4_294_967_294,
    content: textSource(""),
  });
  tree.put(longName, { ...plain, kind: "file", content: textSource("deep") });
  tree.put("long-link", { ...plain, kind: "symlink", target: `/${longName}` });
  tree.put("old", { ...plain, kind: "file", mtimeSeconds: -5, content: textSource("before the epoch") });
  return tree;
}

test("a tree comes back from its archive as it was, however the archive is cut", async () => {
  const tree = richTree();
  const expected = await described(tree.entries());
  const archive = await written(tree.entries());
  for (const chunkBytes of [1, 2, 511, 65_536]) {
    assert.deepEqual(await described((await readBack(archive, chunkBytes)).entries()), expected);
  }
});

test("any tree comes back from its archive, and twice the same bytes go in", async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryEntries("tar"),
      fc.integer({ min: 1, max: 2000 }),
      async (entries, chunkBytes) => {
        const archive = await written(entries);
        assert.deepEqual(await written(entries), archive);
        assert.equal(archive.length % 512, 0);
        const back = await readBack(archive, chunkBytes);
        const tree = new FileTree();
        for (const { path, node } of entries) tree.put(path, node);
        assert.deepEqual(await described(back.entries()), await described(tree.entries()));
      },
    ),
    { numRuns: 60 },
  );
});

test("GNU tar lists what we write as we meant it", { skip: unlessInstalled("tar") }, async () => {
  const archive = await written(richTree().entries());
  const listing = filter(
    "tar",
    ["--numeric-owner", "--utc", "--full-time", "--quoting-style=literal", "-tvf", "-"],
    archive,
  );
  const lines = listing
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/ +/g, " "));
  const time = "2023-11-14 22:13:20";
  for (const expected of [
    `-rw-r----- 0/42 8 ${time} etc/shadow`,
    `hrw-r----- 0/42 0 ${time} etc/shadow- link to etc/shadow`,
    `lrwxrwxrwx 0/0 0 ${time} etc/mtab -> ../proc/mounts`,
    `crw-rw-rw- 0/0 1,3 ${time} dev/null`,
    `brw-rw---- 0/6 254,1000000 ${time} dev/vda`,
    `prw------- 0/0 0 ${time} run/initctl`,
    `drwxrwxrwt 0/0 0 ${time} tmp/`,
    `-rwsr-xr-x 0/0 7000 ${time} bin/su`,
    `-rw-r--r-- 3000000/4294967294 0 ${time} home/ünïcödé 文件`,
    `-rw-r--r-- 0/0 4 ${time} ${longName}`,
    `-rw-r--r-- 0/0 16 1969-12-31 23:59:55 old`,
  ]) {
    assert.ok(lines.includes(expected), `${expected}\n${lines.join("\n")}`);
  }
});

test("GNU tar extracts the contents and attributes that we wrote", {
  skip: unlessInstalled("tar"),
}, async () => {
  using scratch = scratchDirectory();
  const tree = richTree();
  tree.remove("dev");
  tree.remove("home"); // owners that an ordinary user cannot give
  filter("tar", ["-xf", "-", "--no-same-owner", "-C", scratch.path], await written(tree.entries()));
  for (const { path, node } of tree.entries()) {
    if (node.kind !== "file") continue;
    assert.ok(readFileSync(`${scratch.path}/${path}`).equals(await all(node.content.open())), path);
  }
});

const pythonReader = `
import hashlib, io, json, sys, tarfile
archive = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))
print(json.dumps([[m.name, m.type.decode(), m.mode, m.uid, m.gid, m.size, int(m.mtime), m.linkname,
  hashlib.sha256(archive.extractfile(m).read()).hexdigest() if m.isreg() else ""] for m in archive]))
`;

test("Python's tarfile reads the same entries from our archive as we do", {
  skip: unlessInstalled("python3"),
}, async () => {
  const archive = await written(richTree().entries());
  const { createHash } = await import("node:crypto");
  const typeOf = {
    file: "0",
    "hard-link": "1",
    symlink: "2",
    "character-device": "3",
    "block-device": "4",
    directory: "5",
    fifo: "6",
  };
  const ours: unknown[] = [];
  for await (const entry of readTar(chunked(archive))) {
    const digest =
      entry.kind === "file"
        ? createHash("sha256")
            .update(await all(entry.content))
            .digest("hex")
        : "";
    const { path, kind, mode, uid, gid, sizeBytes, mtimeSeconds, linkTarget } = entry;
    ours.push([path, typeOf[kind], mode, uid, gid, sizeBytes, mtimeSeconds, linkTarget, digest]);
  }
  assert.deepEqual(JSON.parse(filter("python3", ["-c", pythonReader], archive).toString()), ours);
});

const pythonWriter = `
import io, sys, tarfile
formats = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}
out = io.BytesIO()
archive = tarfile.open(fileobj=out, mode="w", format=formats[sys.argv[1]])
def add(name, content=b"", **fields):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in fields.items(): setattr(entry, key, value)
    archive.addfile(entry, io.BytesIO(content))
far = sys.argv[1] != "ustar"
add("./plain", b"content", mode=0o4711, uid=1000, gid=100, mtime=1234567890)
add("/absolute", b"x" * 513)
add("dir/", type=tarfile.DIRTYPE, mode=0o1777)
add("sym", type=tarfile.SYMTYPE, linkname="t" * (150 if far else 90))
add("hard", type=tarfile.LNKTYPE, linkname="./plain")
add("n" * 90 + "/" + "m" * 90, b"long")
if far:
    add("o" * 120 + "/" + "p" * 200, b"longer", uid=5000000, mtime=-3)
    add("q\\u00e9\\u6587", b"text")
archive.close()
sys.stdout.buffer.write(out.getvalue())
`;

for (const format of ["gnu", "pax", "ustar"]) {
  test(`what Python's tarfile writes in its ${format} format is read`, {
    skip: unlessInstalled("python3"),
  }, async () => {
    const archive = filter("python3", ["-c", pythonWriter, format]);
    const entries = new Map((await list(readTar(chunked(archive, 100)))).map((entry) => [entry.path, entry]));
    const { mode, uid, gid, mtimeSeconds } = entries.get("plain") ?? assert.fail("plain is missing");
    assert.deepEqual([mode, uid, gid, mtimeSeconds], [0o4711, 1000, 100, 1_234_567_890]);
    assert.equal(entries.get("absolute")?.sizeBytes, 513);
    assert.equal(entries.get("dir")?.kind, "directory");
    assert.equal(entries.get("hard")?.linkTarget, "plain");
    assert.equal(entries.get(`${"n".repeat(90)}/${"m".repeat(90)}`)?.sizeBytes, 4);
    assert.equal(entries.get("sym")?.linkTarget, "t".repeat(format === "ustar" ? 90 : 150));
    if (format === "ustar") return;
    const far =
      entries.get(`${"o".repeat(120)}/${"p".repeat(200)}`) ?? assert.fail("the long name is missing");
    assert.deepEqual([far.uid, far.mtimeSeconds, far.sizeBytes], [5_000_000, -3, 6]);
    assert.equal(entries.get("qé文")?.kind, "file");
  });
}

test("extended attributes as GNU tar writes them are read", { skip: unlessInstalled("tar") }, async () => {
  // GNU tar writes the records that it read, which shows that it understood ours.
  const record = Buffer.from("30 SCHILY.xattr.user.colour=red\n".replace(/^30/, "32"));
  assert.equal(record.length, 32);
  const archive = await written([
    {
      path: "a",
      node: {
        ...plain,
        kind: "file",
        content: textSource("a"),
        xattrs: new Map([["user.colour", Buffer.from("red")]]),
      },
    },
  ]);
  assert.ok(Buffer.from(archive).includes(record));
  const listing = filter("tar", ["--xattrs", "-tvvf", "-"], archive).toString();
  assert.match(listing, /x: 3 user\.colour/);
});

test("pax records that the caller adds stand in the archive", async () => {
  const checksum = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
  const archive = await written(
    [
      {
        path: "a",
        node: { ...plain, kind: "file", content: textSource("") },
        paxRecords: new Map([["APK-TOOLS.checksum.SHA1", checksum]]),
      },
    ],
    { endOfArchive: false, mtimeSeconds: 0, userName: () => "root", groupName: () => "root" },
  );
  const [entry] = await list(readTar(chunked(archive)));
  assert.equal(Buffer.from(entry?.paxRecords.get("APK-TOOLS.checksum.SHA1") ?? []).toString(), checksum);
  assert.deepEqual([entry?.uname, entry?.gname, entry?.mtimeSeconds], ["root", "root", 0]);
  assert.equal(archive.length, 3 * 512);
});

test('a socket, an attribute whose name has "=" and a content that lies about its length are refused', async () => {
  await assert.rejects(written([{ path: "s", node: { ...plain, kind: "socket" } }]), { code: "unsupported" });
  const odd: FileNode = {
    ...plain,
    kind: "file",
    content: textSource(""),
    xattrs: new Map([["user.a=b", new Uint8Array(1)]]),
  };
  await assert.rejects(written([{ path: "x", node: odd }]), { code: "unsupported" });
  const lying: FileNode = { ...plain, kind: "file", content: { ...textSource("abc"), sizeBytes: 4 } };
  await assert.rejects(written([{ path: "l", node: lying }]), { code: "internal" });
});

for (const architecture of ["x86_64", "aarch64"]) {
  const path = alpineFile(`alpine-minirootfs-3.19.4-${architecture}.tar.gz`);
  const skip = path === undefined ? "no Alpine data here" : unlessInstalled("tar");
  test(`the real ${architecture} minirootfs is read as GNU tar reads it, and survives our writer`, {
    skip,
  }, async () => {
    const packed = readFileSync(path ?? "");
    const parts: Buffer[] = [];
    for await (const member of gzipMembers(chunked(packed), { maxOutputBytes: 2 ** 26 }))
      parts.push(await all(member.content));
    const archive = Buffer.concat(parts);
    const names = filter("tar", ["-tf", "-"], archive).toString().trimEnd().split("\n");
    const entries = await list(readTar(chunked(archive, 5000), { duplicates: "refuse" }));
    assert.deepEqual(
      entries.map(({ path: name }) => name),
      names.map((name) => name.replace(/^\.\//, "").replace(/\/$/, "")),
    );
    const tree = await readBack(archive);
    const again = await written(tree.entries());
    assert.deepEqual(await described((await readBack(again)).entries()), await described(tree.entries()));
    const compared = filter("tar", ["-tf", "-"], again).toString().trimEnd().split("\n").length;
    assert.equal(compared, names.filter((name) => name !== "./").length);
  });
}
