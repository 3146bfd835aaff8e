import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { MemorySink } from "../byte-sink.ts";
import { type ByteSource, bytesSource } from "../byte-source.ts";
import { FileTree } from "../tree/file-tree.ts";
import type { NodeMetadata } from "../tree/node.ts";
import {
  assertClean,
  catFile,
  debugfs,
  dumpe2fs,
  file,
  imageOf,
  metadata,
  options,
  withoutE2fsprogs,
} from "./testing/images.ts";
import { planExt4 } from "./plan.ts";
import { writeExt4 } from "./write.ts";

const skip = withoutE2fsprogs;

test("an empty tree is a clean file system with a lost+found", { skip }, async () => {
  using image = await imageOf(new FileTree());
  assertClean(image.path);
  assert.match(debugfs(image.path, "ls -l /"), / 11 +40700 .* lost\+found/);
  assert.match(dumpe2fs(image.path), new RegExp(`UUID: +${image.summary.uuid}`));
  assert.match(dumpe2fs(image.path), new RegExp(`Free blocks: +${image.summary.freeBlocks}\n`));
  assert.match(dumpe2fs(image.path), new RegExp(`Free inodes: +${image.summary.freeInodes}\n`));
});

test("modes, owners, times and links of every kind of entry come back", { skip }, async () => {
  const tree = new FileTree();
  const linked = file("shared\n", { uid: 4_000_000_000, gid: 70_000, mode: 0o4711 });
  tree.put("usr/bin/a", linked);
  tree.put("usr/bin/b", linked);
  tree.put("tmp", { ...metadata, kind: "directory", mode: 0o1777 });
  tree.put("later", file("", { mtimeSeconds: 2 ** 32 + 5 }));
  tree.put("before", file("", { mtimeSeconds: -1 }));
  tree.put("short", { ...metadata, kind: "symlink", mode: 0o777, target: "x".repeat(59) });
  tree.put("long", { ...metadata, kind: "symlink", mode: 0o777, target: "y".repeat(60) });
  tree.put("dev/null", { ...metadata, kind: "character-device", mode: 0o666, major: 1, minor: 3 });
  tree.put("dev/nvme", { ...metadata, kind: "block-device", mode: 0o660, major: 259, minor: 70_000 });
  tree.put("dev/pipe", { ...metadata, kind: "fifo" });
  tree.put("dev/log", { ...metadata, kind: "socket" });
  using image = await imageOf(tree);
  const stat = (name: string): string => debugfs(image.path, `stat ${name}`);
  assertClean(image.path);

  assert.match(stat("/usr/bin/a"), /Mode: +04711/);
  assert.match(stat("/usr/bin/a"), /User: +-294967296 +Group: +70000/); // debugfs prints ids as signed
  assert.match(stat("/usr/bin/a"), /Links: 2/);
  assert.equal(stat("/usr/bin/a"), stat("/usr/bin/b"));
  assert.equal(catFile(image.path, "/usr/bin/b").toString(), "shared\n");
  assert.match(stat("/tmp"), /Type: directory +Mode: +01777/);
  assert.match(stat("/later"), /mtime: 0x00000005:00000001/);
  assert.match(stat("/before"), /mtime: 0xffffffff:00000000/);
  assert.match(stat("/later"), /ctime: 0x6553f100:00000000/);
  assert.match(stat("/short"), /Fast link dest: "x{59}"/);
  assert.equal(catFile(image.path, "/long").toString(), "y".repeat(60));
  assert.match(stat("/dev/null"), /character special[^]*Device major\/minor number: 01:03/);
  assert.match(stat("/dev/nvme"), /block special[^]*Device major\/minor number: 259:70000/);
  assert.match(stat("/dev/pipe"), /FIFO/);
  assert.match(stat("/dev/log"), /socket/);
});

test("extended attributes come back from the inode and from a block, ACLs included", { skip }, async () => {
  const acl = Buffer.from(
    "0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff",
    "hex",
  );
  const small = new Map([
    ["security.capability", Buffer.from("0100000200040000000000000000000000000000", "hex")],
  ]);
  const large = new Map([
    ["user.text", Buffer.from("b".repeat(1000))],
    ["user.empty", Buffer.alloc(0)],
    ["trusted.x", Buffer.from("t")],
    ["system.posix_acl_access", acl],
  ]);
  const tree = new FileTree();
  tree.put("ping", file("elf", { mode: 0o755, xattrs: small }));
  tree.put("rich", file("", { xattrs: large }));
  tree.put("link", { ...metadata, kind: "symlink", mode: 0o777, target: "rich", xattrs: large });
  tree.put("directory", {
    ...metadata,
    kind: "directory",
    mode: 0o755,
    xattrs: new Map([["system.posix_acl_default", acl]]),
  });
  using image = await imageOf(tree);
  assertClean(image.path);
  const attribute = (path: string, name: string): string => debugfs(image.path, `ea_get ${path} ${name}`);
  assert.match(attribute("/ping", "security.capability"), /= 01 00 00 02 00 04 00/);
  assert.match(attribute("/rich", "user.text"), /"b{1000}"/);
  assert.match(attribute("/rich", "user.empty"), /user.empty/);
  assert.match(attribute("/link", "trusted.x"), /"t"/);
  assert.match(debugfs(image.path, "ea_list /directory"), /system.posix_acl_default \(28\)/);
  assert.match(debugfs(image.path, "stat /ping"), /File ACL: 0/);
});

test("a directory of many names has a hash tree of one or two levels", { skip }, async () => {
  const tree = new FileTree();
  const node = file("");
  for (let index = 0; index < 300; index += 1) tree.put(`few/\u00e9-${index}`, node);
  for (let index = 0; index < 9000; index += 1) {
    tree.put(`many/${String(index).padStart(255, "n")}`, { ...metadata, kind: "fifo" });
  }
  using image = await imageOf(tree);
  assertClean(image.path);
  assert.match(debugfs(image.path, "htree_dump /few"), /Indirect levels: 0/);
  assert.match(debugfs(image.path, "htree_dump /many"), /Indirect levels: 1/);
  assert.match(debugfs(image.path, `stat /many/${"7".padStart(255, "n")}`), /FIFO/);
});

test("a directory with more subdirectories than a link count holds has a count of one", () => {
  const tree = new FileTree();
  for (let index = 0; index < 65_000; index += 1)
    tree.put(`d/${index}`, { ...metadata, kind: "directory", mode: 0o755 });
  const { inodes } = planExt4(tree, options);
  assert.equal(inodes.find(({ path }) => path === "d")?.links, 1);
  assert.equal(inodes.find(({ path }) => path === "")?.links, 4);
});

test("a sparse file keeps its holes, in extent trees of every depth", { skip }, async () => {
  const tree = new FileTree();
  const depths = [3, 100, 1500];
  for (const pieces of depths)
    tree.put(`pieces-${pieces}`, { ...metadata, kind: "file", content: sparse(pieces) });
  tree.put("hole", {
    ...metadata,
    kind: "file",
    content: { ...bytesSource(new Uint8Array(9000)), dataRanges: [] },
  });
  using image = await imageOf(tree);
  assertClean(image.path);
  for (const [depth, pieces] of depths.entries()) {
    assert.match(debugfs(image.path, `dump_extents /pieces-${pieces}`), new RegExp(`^ *0/ ${depth} `, "m"));
    assert.deepEqual(catFile(image.path, `/pieces-${pieces}`), Buffer.from(sparse(pieces).bytes ?? []));
  }
  assert.match(debugfs(image.path, "stat /hole"), /Size: 9000[^]*Blockcount: 0/);
});

test("a journal is there when it is asked for, and only then", { skip }, async () => {
  using plain = await imageOf(new FileTree());
  using journaled = await imageOf(new FileTree(), { journalBytes: 4 * 1024 ** 2 });
  assertClean(journaled.path);
  assert.doesNotMatch(dumpe2fs(plain.path), /has_journal/);
  assert.match(
    dumpe2fs(journaled.path),
    /has_journal[^]*Journal features: +journal_64bit journal_checksum_v3/,
  );
  assert.match(dumpe2fs(journaled.path), /Total journal blocks: +1024\n/);
});

test("the same tree and options give the same bytes, another seed another UUID", async () => {
  const tree = new FileTree();
  tree.put("a", file("a"));
  const write = async (seed: Uint8Array): Promise<Uint8Array> => {
    const sink = new MemorySink();
    await writeExt4(tree, sink, { ...options, seed });
    return sink.toBytes();
  };
  const first = await write(options.seed);
  assert.ok(Buffer.from(first).equals(await write(options.seed)));
  assert.ok(!Buffer.from(first).equals(await write(new Uint8Array(32))));
});

test("a size that is given is kept to the byte, whatever remains behind the last group", {
  skip,
}, async () => {
  const tree = new FileTree();
  tree.put("a", file("a"));
  for (const size of [8_000_001, 128 * 1024 ** 2 + 4096, 300_000_000]) {
    using image = await imageOf(tree, { size, freeBytes: undefined });
    assert.equal(image.summary.sizeBytes, size);
    assertClean(image.path);
  }
});

test("lost+found of the tree is the file system's own", { skip }, async () => {
  const tree = new FileTree();
  tree.put("lost+found", { ...metadata, kind: "directory", mode: 0o711 });
  tree.put("lost+found/found", file("again"));
  using image = await imageOf(tree);
  assertClean(image.path);
  assert.match(debugfs(image.path, "stat /lost+found"), /Inode: 11 +Type: directory +Mode: +0711/);
});

const valid = file("content");
const refusals: readonly (readonly [string, string, (tree: FileTree) => void, object?])[] = [
  ["a size that is too small", "invalid-input", (tree) => tree.put("a", valid), { size: 1024 ** 2 }],
  ["a label of 17 bytes", "invalid-input", () => undefined, { label: "x".repeat(17) }],
  ["a short seed", "invalid-input", () => undefined, { seed: new Uint8Array(31) }],
  ["half a block of journal", "invalid-input", () => undefined, { journalBytes: 2048 }],
  ["a file for lost+found", "invalid-input", (tree) => tree.put("lost+found", valid)],
  ["a name with half a character", "invalid-input", (tree) => tree.put("\ud800", valid)],
  [
    "an empty symlink",
    "invalid-input",
    (tree) => tree.put("a", { ...metadata, kind: "symlink", target: "" }),
  ],
  [
    "a symlink of 4096 bytes",
    "invalid-input",
    (tree) => tree.put("a", { ...metadata, kind: "symlink", target: "x".repeat(4096) }),
  ],
  ["a mode with a kind in it", "invalid-input", (tree) => tree.put("a", { ...valid, mode: 0o100644 })],
  ["a negative owner", "invalid-input", (tree) => tree.put("a", { ...valid, uid: -1 })],
  ["a time after 2446", "invalid-input", (tree) => tree.put("a", { ...valid, mtimeSeconds: 2 ** 34 })],
  [
    "a minor number of 21 bits",
    "invalid-input",
    (tree) => tree.put("a", { ...metadata, kind: "block-device", major: 1, minor: 2 ** 20 }),
  ],
  [
    "an attribute of no known kind",
    "invalid-input",
    (tree) => tree.put("a", withAttribute("com.apple.x", 1)),
  ],
  [
    "attributes of more than a block",
    "limit-exceeded",
    (tree) => tree.put("a", withAttribute("user.x", 4096)),
  ],
  ["an ACL that is none", "malformed", (tree) => tree.put("a", withAttribute("system.posix_acl_access", 5))],
  [
    "65,001 links",
    "limit-exceeded",
    (tree) => {
      for (let i = 0; i <= 65_000; i += 1) tree.put(`${i}`, valid);
    },
  ],
  ["a content that is too short", "malformed", (tree) => tree.put("a", { ...valid, content: lying(10, 9) })],
  ["a content that is too long", "malformed", (tree) => tree.put("a", { ...valid, content: lying(10, 11) })],
  [
    "a long content that is too short",
    "malformed",
    (tree) => tree.put("a", { ...valid, content: lying(500_000, 499_999) }),
  ],
  [
    "a long content that is too long",
    "malformed",
    (tree) => tree.put("a", { ...valid, content: lying(500_000, 500_001) }),
  ],
  [
    "data in a hole",
    "malformed",
    (tree) =>
      tree.put("a", {
        ...valid,
        content: { ...bytesSource(new Uint8Array(9000).fill(1)), dataRanges: [{ start: 0, end: 1 }] },
      }),
  ],
  [
    "data ranges out of order",
    "malformed",
    (tree) =>
      tree.put("a", {
        ...valid,
        content: {
          ...bytesSource(new Uint8Array(9)),
          dataRanges: [
            { start: 2, end: 3 },
            { start: 0, end: 1 },
          ],
        },
      }),
  ],
];

for (const [name, code, prepare, changes] of refusals) {
  test(`${name} is refused as ${code}`, async () => {
    const tree = new FileTree();
    prepare(tree);
    const writing = writeExt4(tree, new MemorySink(), { ...options, ...changes });
    await assert.rejects(writing, (error) => KelpieError.is(error) && error.code === code);
  });
}

test("a signal ends the writing as cancelled, and closes what is being read", async () => {
  const controller = new AbortController();
  let closed = false;
  const content: ByteSource = {
    sizeBytes: 2 ** 30,
    async *open() {
      try {
        for (;;) {
          yield await Promise.resolve(new Uint8Array(2 ** 20).fill(1));
          controller.abort();
        }
      } finally {
        closed = true;
      }
    },
  };
  const tree = new FileTree();
  tree.put("endless", { ...metadata, kind: "file", content });
  const sink = { write: () => Promise.resolve(), skip: () => Promise.resolve() };
  const writing = writeExt4(tree, sink, { ...options, signal: controller.signal });
  await assert.rejects(writing, (error) => KelpieError.is(error) && error.code === "cancelled");
  assert.ok(closed);
});

function withAttribute(name: string, sizeBytes: number): NodeMetadata & { kind: "fifo" } {
  return { ...metadata, kind: "fifo", xattrs: new Map([[name, new Uint8Array(sizeBytes)]]) };
}

/** A source that holds `real` bytes and says that they are `declared`. */
function lying(declared: number, real: number): ByteSource {
  return { sizeBytes: declared, open: (signal) => bytesSource(new Uint8Array(real).fill(1)).open(signal) };
}

/** Every second block of it is a hole. */
function sparse(pieces: number): ByteSource {
  const bytes = new Uint8Array(pieces * 8192);
  const dataRanges = Array.from({ length: pieces }, (_, index) => ({
    start: index * 8192 + 5,
    end: index * 8192 + 300,
  }));
  for (const { start, end } of dataRanges) bytes.fill(0x5a, start, end);
  return { ...bytesSource(bytes), dataRanges };
}
