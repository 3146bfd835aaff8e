import fc from "fast-check";
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { MemorySink } from "../byte-sink.ts";
import { textSource } from "../byte-source.ts";
import { all, chunked, list } from "../testing/streams.ts";
import { filter, scratchDirectory, unlessInstalled } from "../testing/tools.ts";
import { arbitraryEntries } from "../testing/trees.ts";
import { FileTree, type TreeEntry } from "../tree/file-tree.ts";
import type { FileNode } from "../tree/node.ts";
import { encodeNewc } from "./newc-header.ts";
import { type CpioEntry, type CpioLimits, readCpio } from "./read-cpio.ts";
import { writeCpio } from "./write-cpio.ts";

const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1_700_000_000 };

async function written(entries: Iterable<TreeEntry>): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeCpio(entries, sink);
  return sink.toBytes();
}

async function read(archive: Uint8Array, chunkBytes = 100, limits: CpioLimits = {}): Promise<CpioEntry[]> {
  return list(readCpio(chunked(archive, chunkBytes), { limits }));
}

function initramfs(): FileTree {
  const tree = new FileTree();
  tree.put("init", { ...plain, kind: "file", mode: 0o755, content: textSource("#!/bin/sh\n") });
  tree.put("dev/console", { ...plain, kind: "character-device", mode: 0o600, major: 5, minor: 1 });
  const shared: FileNode = { ...plain, kind: "file", uid: 1000, content: textSource("shared content") };
  for (const name of ["bin/a", "bin/b", "bin/c"]) tree.put(name, shared);
  tree.put("bin/sh", { ...plain, kind: "symlink", mode: 0o777, target: "/bin/a" });
  tree.put("run/pipe", { ...plain, kind: "fifo" });
  tree.put("run/socket", { ...plain, kind: "socket" });
  tree.put("empty", { ...plain, kind: "file", content: textSource("") });
  tree.put("ünï", { ...plain, kind: "file", content: textSource("x") });
  return tree;
}

test("every entry comes back as it was, content at the last of several names", async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryEntries("cpio"),
      fc.integer({ min: 1, max: 500 }),
      async (entries, chunkBytes) => {
        const archive = await written(entries);
        assert.equal(archive.length % 512, 0);
        assert.deepEqual(await written(entries), archive);
        const contents = new Map<number, string>();
        const names = new Map<string, CpioEntry>();
        for await (const entry of readCpio(chunked(archive, chunkBytes))) {
          names.set(entry.path, entry);
          if (entry.kind !== "file" || entry.sizeBytes === 0) continue;
          assert.ok(!contents.has(entry.inode), "content stands once");
          contents.set(entry.inode, (await all(entry.content)).toString("hex"));
        }
        const listed = entries.filter(({ path }) => path !== "");
        assert.deepEqual(
          [...names.keys()],
          listed.map(({ path }) => path),
        );
        for (const { path, node } of listed) {
          const entry = names.get(path) ?? assert.fail(path);
          const { kind, mode, uid, gid, mtimeSeconds } = entry;
          assert.deepEqual({ kind, mode, uid, gid, mtimeSeconds }, pick(node));
          if (node.kind === "symlink") assert.equal(entry.linkTarget, node.target);
          if (node.kind === "character-device")
            assert.deepEqual([entry.major, entry.minor], [node.major, node.minor]);
          if (node.kind !== "file") continue;
          assert.equal(
            contents.get(entry.inode) ?? "",
            Buffer.from(node.content.bytes ?? []).toString("hex"),
          );
          assert.equal(entry.linkCount, listed.filter((other) => other.node === node).length);
        }
      },
    ),
    { numRuns: 60 },
  );
});

function pick({ kind, mode, uid, gid, mtimeSeconds }: TreeEntry["node"]): object {
  return { kind, mode, uid, gid, mtimeSeconds };
}

test("GNU cpio lists what we write as we meant it", { skip: unlessInstalled("cpio") }, async () => {
  const archive = await written(initramfs().entries());
  const listing = filter("cpio", ["-itv", "--numeric-uid-gid", "--quiet"], archive);
  const lines = listing
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/ +/g, " ").replace(/ Nov .*2023/, ""));
  for (const expected of [
    "-rwxr-xr-x 1 0 0 10 init",
    "crw------- 1 0 0 5, 1 dev/console",
    "-rw-r--r-- 3 1000 0 0 bin/a",
    "-rw-r--r-- 3 1000 0 14 bin/c",
    "lrwxrwxrwx 1 0 0 6 bin/sh -> /bin/a",
    "prw-r--r-- 1 0 0 0 run/pipe",
  ]) {
    assert.ok(lines.includes(expected), `${expected}\n${lines.join("\n")}`);
  }
});

test("GNU cpio extracts contents and hard links that we wrote", {
  skip: unlessInstalled("cpio"),
}, async () => {
  using scratch = scratchDirectory();
  const tree = initramfs();
  tree.remove("dev");
  tree.remove("run");
  filter("cpio", ["-idm", "--quiet", "--no-preserve-owner"], await written(tree.entries()), scratch.path);
  for (const name of ["bin/a", "bin/b", "bin/c"]) {
    assert.equal(readFileSync(`${scratch.path}/${name}`, "utf8"), "shared content");
    assert.equal(statSync(`${scratch.path}/${name}`).ino, statSync(`${scratch.path}/bin/a`).ino);
  }
  assert.equal(readFileSync(`${scratch.path}/init`, "utf8"), "#!/bin/sh\n");
});

for (const format of ["newc", "crc"]) {
  test(`what GNU cpio writes in its ${format} format is read`, {
    skip: unlessInstalled("cpio"),
  }, async () => {
    using scratch = scratchDirectory();
    filter(
      "sh",
      ["-c", "mkdir d && printf content > d/f && ln d/f d/g && ln -s f d/l"],
      undefined,
      scratch.path,
    );
    const archive = filter(
      "cpio",
      ["-o", "-H", format, "--quiet"],
      Buffer.from("d\nd/f\nd/g\nd/l\n"),
      scratch.path,
    );
    const entries = await read(archive);
    assert.deepEqual(
      entries.map(({ path, kind, linkTarget }) => [path, kind, linkTarget]),
      [
        ["d", "directory", ""],
        ["d/f", "file", ""],
        ["d/g", "file", ""],
        ["d/l", "symlink", "f"],
      ],
    );
    assert.equal(entries[1]?.inode, entries[2]?.inode);
  });
}

const fields = {
  inode: 1,
  mode: 0o100644,
  uid: 0,
  gid: 0,
  linkCount: 1,
  mtimeSeconds: 0,
  sizeBytes: 0,
  major: 0,
  minor: 0,
};
function raw(name: string, changes: Partial<typeof fields> = {}, content = ""): Buffer {
  const header = encodeNewc({ ...fields, sizeBytes: content.length, ...changes }, name);
  const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  return Buffer.concat([padded(header), padded(Buffer.from(content, "latin1"))]);
}
const trailer = raw("TRAILER!!!");
function withField(index: number, digits: string): Buffer {
  const archive = raw("a");
  archive.write(digits, 6 + index * 8, "latin1");
  return Buffer.concat([archive, trailer]);
}

for (const [what, archive, code] of [
  ["nothing at all", Buffer.alloc(0), "malformed"],
  [
    "the old magic number",
    Buffer.from(raw("a").toString("latin1").replace("070701", "070707"), "latin1"),
    "malformed",
  ],
  ["no trailer", raw("a"), "malformed"],
  ["letters in a number", withField(6, "0000000g"), "malformed"],
  ["a sign in a number", withField(6, "-0000001"), "malformed"],
  ["a name of no bytes", withField(11, "00000000"), "malformed"],
  ["a name of 4 GiB", withField(11, "FFFFFFFF"), "malformed"],
  ["a content that is cut off", raw("a", { sizeBytes: 10 }, "short"), "malformed"],
  ["a name that climbs out", Buffer.concat([raw("../a"), trailer]), "unsafe-path"],
  ["a name with NUL in it", Buffer.concat([raw("a\0b"), trailer]), "unsafe-path"],
  ["an unknown type", Buffer.concat([raw("a", { mode: 0o170644 }), trailer]), "malformed"],
  ["a directory with content", Buffer.concat([raw("d", { mode: 0o040755 }, "x"), trailer]), "malformed"],
  ["a symlink to nothing", Buffer.concat([raw("l", { mode: 0o120777 }), trailer]), "malformed"],
  [
    "a symlink's target of a megabyte",
    Buffer.concat([raw("l", { mode: 0o120777, sizeBytes: 2 ** 20 }), trailer]),
    "malformed",
  ],
  [
    "a symlink's target with NUL",
    Buffer.concat([raw("l", { mode: 0o120777 }, "a\0b"), trailer]),
    "malformed",
  ],
  ["a target that is not UTF-8", Buffer.concat([raw("l", { mode: 0o120777 }, "\xff"), trailer]), "malformed"],
  ["something behind the trailer", Buffer.concat([raw("a"), trailer, raw("b")]), "malformed"],
  ["the root as a file", Buffer.concat([raw("."), trailer]), "malformed"],
] as const) {
  test(`a cpio archive with ${what} is refused`, async () => {
    await assert.rejects(read(archive), { name: "KelpieError", code });
  });
}

test("more entries and longer files than allowed are refused", async () => {
  const archive = Buffer.concat([raw("a", {}, "12345"), raw("b"), trailer]);
  assert.equal((await read(archive, 1, { maxEntries: 2, maxEntryBytes: 5 })).length, 2);
  await assert.rejects(read(archive, 1, { maxEntries: 1 }), { code: "limit-exceeded" });
  await assert.rejects(read(archive, 1, { maxEntryBytes: 4 }), { code: "limit-exceeded" });
});

test("what cpio cannot hold is refused before a byte of it is written", async () => {
  const node = (changes: object): TreeEntry["node"] => ({ ...plain, kind: "fifo", ...changes });
  await assert.rejects(written([{ path: "a", node: node({ mtimeSeconds: -1 }) }]), {
    code: "limit-exceeded",
  });
  await assert.rejects(written([{ path: "a", node: node({ uid: 2 ** 32 }) }]), { code: "limit-exceeded" });
  await assert.rejects(written([{ path: "TRAILER!!!", node: node({}) }]), { code: "unsupported" });
});
