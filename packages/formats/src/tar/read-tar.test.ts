// Archives that no honest tool makes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesSource } from "../byte-source.ts";
import { all, chunked, list } from "../testing/streams.ts";
import { paxRecord, rawArchive, rawEntry, rawHeader, rawPax, withChecksum } from "../testing/tar-blocks.ts";
import { type ReadTarOptions, readTar } from "./read-tar.ts";
import type { TarEntry } from "./tar-entry.ts";
import { treeFromTar } from "./tree-from-tar.ts";

async function read(archive: Uint8Array, options?: ReadTarOptions): Promise<TarEntry[]> {
  return list(readTar(chunked(archive, 300), options));
}

async function first(...parts: readonly Uint8Array[]): Promise<TarEntry> {
  const [entry] = await read(rawArchive(...parts));
  return entry ?? assert.fail("no entry");
}

const damagedChecksum = rawEntry({});
damagedChecksum[0] = 0x78;
const halfZero = Buffer.alloc(512);

for (const [what, archive, code] of [
  ["a wrong checksum", rawArchive(damagedChecksum), "malformed"],
  ["a header that is cut off", rawEntry({}).subarray(0, 300), "malformed"],
  ["a content that is cut off", rawEntry({}, "x".repeat(600)).subarray(0, 1000), "malformed"],
  ["a padding that is cut off", rawEntry({}, "x".repeat(600)).subarray(0, 1200), "malformed"],
  ["letters in a number", rawArchive(rawEntry({ mode: "00x0644" })), "malformed"],
  ["an eight in an octal number", rawArchive(rawEntry({ mtime: "00000000008" })), "malformed"],
  ["a minus in a number", rawArchive(rawEntry({ size: "-0000000001" })), "malformed"],
  ["a negative size in base 256", rawArchive(rawHeader({ size: "\xff".repeat(12) })), "malformed"],
  ["a size beyond 2^53", rawArchive(rawHeader({ size: `\x80${"\x7f".repeat(11)}` })), "malformed"],
  ["a negative owner", rawArchive(rawHeader({ uid: "\xff".repeat(8) })), "malformed"],
  ["an owner beyond 32 bits", rawArchive(rawHeader({ uid: "\x80\0\0\x01\0\0\0\0" })), "malformed"],
  ["a size for a directory", rawArchive(rawEntry({ type: "5", name: "d/" }, "content")), "malformed"],
  [
    "a size for a hard link",
    rawArchive(rawEntry({}), rawEntry({ type: "1", name: "h", link: "file" }, "x")),
    "malformed",
  ],
  ["a file whose name ends with a slash", rawArchive(rawEntry({ name: "f/" })), "malformed"],
  ["a file without a name", rawArchive(rawEntry({ name: "" })), "malformed"],
  ["the root as a symlink", rawArchive(rawEntry({ name: "./", type: "2", link: "/etc" })), "malformed"],
  ["a name that is not UTF-8", rawArchive(rawEntry({ name: "caf\xe9" })), "malformed"],
  ["a symlink to nothing", rawArchive(rawEntry({ type: "2" })), "malformed"],
  ["a hard link to nothing", rawArchive(rawEntry({ type: "1" })), "malformed"],
  ["a path that climbs out", rawArchive(rawEntry({ name: "a/../../etc/passwd" })), "unsafe-path"],
  ["a prefix that climbs out", rawArchive(rawEntry({ prefix: ".." })), "unsafe-path"],
  ["a hard link that climbs out", rawArchive(rawEntry({ type: "1", link: "../x" })), "unsafe-path"],
  [
    "a pax path that climbs out",
    rawArchive(rawPax([paxRecord("path", "../x")]), rawEntry({})),
    "unsafe-path",
  ],
  ["a pax path with NUL", rawArchive(rawPax([paxRecord("path", "a\0b")]), rawEntry({})), "unsafe-path"],
  [
    "a component of 256 bytes",
    rawArchive(rawPax([paxRecord("path", "x".repeat(256))]), rawEntry({})),
    "unsafe-path",
  ],
  [
    "a path of 5000 bytes",
    rawArchive(rawPax([paxRecord("path", `${"x/".repeat(2500)}x`)]), rawEntry({})),
    "unsafe-path",
  ],
  ["a GNU name that climbs out", rawArchive(rawEntry({ type: "L" }, "../x\0"), rawEntry({})), "unsafe-path"],
  [
    "a symlink's target with NUL",
    rawArchive(rawPax([paxRecord("linkpath", "a\0b")]), rawEntry({ type: "2" })),
    "malformed",
  ],
  ["a pax record without a length", rawArchive(rawPax(["path=x\n"]), rawEntry({})), "malformed"],
  ["a pax record of length 0", rawArchive(rawPax(["0 a=b\n"]), rawEntry({})), "malformed"],
  ["a pax record longer than the header", rawArchive(rawPax(["99 a=b\n"]), rawEntry({})), "malformed"],
  ["a pax record that is too short", rawArchive(rawPax(["3 a=b\n"]), rawEntry({})), "malformed"],
  ["a pax record without a newline", rawArchive(rawPax(["6 a=bc"]), rawEntry({})), "malformed"],
  ["a pax record without a key", rawArchive(rawPax(["5 =b\n"]), rawEntry({})), "malformed"],
  ["a pax record without a value", rawArchive(rawPax(["5 ab\n"]), rawEntry({})), "malformed"],
  [
    "a pax key that stands twice",
    rawArchive(rawPax([paxRecord("path", "a"), paxRecord("path", "b")]), rawEntry({})),
    "malformed",
  ],
  ["a negative pax size", rawArchive(rawPax([paxRecord("size", "-1")]), rawEntry({})), "malformed"],
  ["a pax size that is no number", rawArchive(rawPax([paxRecord("size", "1e3")]), rawEntry({})), "malformed"],
  [
    "two pax headers for one entry",
    rawArchive(rawPax([paxRecord("a", "b")]), rawPax([paxRecord("a", "b")]), rawEntry({})),
    "malformed",
  ],
  [
    "two GNU names for one entry",
    rawArchive(rawEntry({ type: "L" }, "a"), rawEntry({ type: "L" }, "b"), rawEntry({})),
    "malformed",
  ],
  [
    "a GNU and a pax name that differ",
    rawArchive(rawEntry({ type: "L" }, "a"), rawPax([paxRecord("path", "b")]), rawEntry({})),
    "malformed",
  ],
  ["a pax header before nothing", rawArchive(rawPax([paxRecord("path", "a")])), "malformed"],
  [
    "an attribute that is not base64",
    rawArchive(rawPax([paxRecord("LIBARCHIVE.xattr.user.a", "*")]), rawEntry({})),
    "malformed",
  ],
  [
    "two values for an attribute",
    rawArchive(
      rawPax([paxRecord("LIBARCHIVE.xattr.user.a", "YQ"), paxRecord("SCHILY.xattr.user.a", "b")]),
      rawEntry({}),
    ),
    "malformed",
  ],
  ["an entry behind the end", Buffer.concat([halfZero, halfZero, rawEntry({})]), "malformed"],
  ["an entry behind one zero block", Buffer.concat([halfZero, rawEntry({})]), "malformed"],
  ["a sparse file of old", rawArchive(rawEntry({ type: "S" })), "unsupported"],
  [
    "a sparse file of pax",
    rawArchive(rawPax([paxRecord("GNU.sparse.major", "1")]), rawEntry({})),
    "unsupported",
  ],
  ["a part of several volumes", rawArchive(rawEntry({ type: "M" })), "unsupported"],
] as const) {
  test(`an archive with ${what} is refused`, async () => {
    await assert.rejects(read(archive), { name: "KelpieError", code });
  });
}

test("a message says where, what was expected and what was found", async () => {
  const archive = rawArchive(rawEntry({ name: "a" }, "x"), damagedChecksum);
  await assert.rejects(read(archive, { where: "layer.tar" }), {
    message: /^Cannot read a tar header \(layer\.tar, byte 1024\): expected checksum \d+, found \d+$/,
  });
});

test("more entries, longer files and longer headers than allowed are refused", async () => {
  const three = rawArchive(rawEntry({ name: "a" }), rawEntry({ name: "b" }), rawEntry({ name: "c" }));
  assert.equal((await read(three, { limits: { maxEntries: 3 } })).length, 3);
  await assert.rejects(read(three, { limits: { maxEntries: 2 } }), { code: "limit-exceeded" });
  const file = rawArchive(rawEntry({}, "x".repeat(11)));
  await assert.rejects(read(file, { limits: { maxEntryBytes: 10 } }), { code: "limit-exceeded" });
  for (const header of [
    rawPax([paxRecord("comment", "c".repeat(100))]),
    rawEntry({ type: "L" }, "n".repeat(101)),
  ]) {
    await assert.rejects(read(rawArchive(header, rawEntry({})), { limits: { maxHeaderBytes: 100 } }), {
      code: "limit-exceeded",
    });
  }
  // A header that claims a terabyte is refused before anything is allocated for it.
  await assert.rejects(read(rawHeader({ type: "x", size: "\x80\0\0\0\0\0\x01\0\0\0\0\0" })), {
    code: "limit-exceeded",
  });
});

test("a second entry of a path is given again, or refused where the caller says so", async () => {
  const twice = rawArchive(rawEntry({ name: "a" }, "1"), rawEntry({ name: "./a" }, "2"));
  assert.deepEqual(
    (await read(twice)).map(({ path }) => path),
    ["a", "a"],
  );
  await assert.rejects(read(twice, { duplicates: "refuse" }), { code: "malformed" });
  const tree = await treeFromTar(chunked(twice), {
    contentAt: (offset, size) => bytesSource(twice.subarray(offset, offset + size)),
  });
  const node = tree.get("a");
  assert.equal(node?.kind === "file" ? Buffer.from(node.content.bytes ?? []).toString() : "", "2");
});

test("absolute and dotted paths come to lie inside", async () => {
  assert.equal((await first(rawEntry({ name: "/etc//./passwd" }))).path, "etc/passwd");
  assert.equal((await first(rawEntry({ name: "./", type: "5" }))).path, "");
});

test("a global pax header holds until an entry's own header says otherwise", async () => {
  const archive = rawArchive(
    rawPax([paxRecord("mtime", "100.9"), paxRecord("comment", "x")], "g"),
    rawEntry({ name: "a" }),
    rawPax([paxRecord("mtime", "-0.5"), paxRecord("comment", "")]),
    rawEntry({ name: "b" }),
    rawEntry({ name: "c" }),
  );
  const entries = await read(archive);
  assert.deepEqual(
    entries.map(({ mtimeSeconds, paxRecords }) => [mtimeSeconds, paxRecords.has("comment")]),
    [
      [100, true],
      [-1, false],
      [100, true],
    ],
  );
});

test("a pax size counts more than the header's", async () => {
  const content = Buffer.alloc(1024, "y");
  const archive = rawArchive(
    rawPax([paxRecord("size", "700")]),
    rawHeader({ size: "00000000000" }),
    content,
    rawEntry({ name: "b" }),
  );
  const entries = await read(archive);
  assert.deepEqual(
    entries.map(({ path, sizeBytes }) => [path, sizeBytes]),
    [
      ["file", 700],
      ["b", 0],
    ],
  );
});

test("v7 archives are read, with directories by their slash", async () => {
  const v7 = { magic: "\0".repeat(8), type: "\0" };
  assert.equal((await first(rawEntry({ ...v7, name: "d/" }))).kind, "directory");
  assert.equal((await first(rawEntry({ ...v7, name: "f" }, "x"))).kind, "file");
});

test("attributes come from both spellings, which may stand side by side", async () => {
  const entry = await first(
    rawPax([
      paxRecord("LIBARCHIVE.xattr.user.caf%C3%A9", "cmVk"),
      paxRecord("LIBARCHIVE.xattr.user.b", "Yg"),
      paxRecord("SCHILY.xattr.user.b", "b"),
      paxRecord("SCHILY.xattr.user.raw", "\0\xff"),
    ]),
    rawEntry({}),
  );
  assert.deepEqual(
    [...entry.xattrs].map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
    [
      ["user.café", "726564"],
      ["user.b", "62"],
      ["user.raw", "00ff"],
    ],
  );
});

test("contents can be read, read in part or left, and lie where the entry says", async () => {
  const archive = rawArchive(
    rawEntry({ name: "a" }, "aaaa".repeat(200)),
    rawEntry({ name: "b" }, "bb"),
    rawEntry({ name: "c" }, "ccc"),
  );
  const found: string[] = [];
  for await (const { path, content, contentOffset, sizeBytes } of readTar(chunked(archive, 7))) {
    if (path === "b") continue;
    const place = archive.subarray(contentOffset, contentOffset + sizeBytes).toString();
    if (path === "a") for await (const _ of content) break;
    else assert.equal((await all(content)).toString(), place);
    found.push(place);
  }
  assert.deepEqual(found, ["aaaa".repeat(200), "ccc"]);
});

test("a hard link must lead to a file before it", async () => {
  const contentAt = (): ReturnType<typeof bytesSource> => bytesSource(new Uint8Array(0));
  for (const target of [rawEntry({ name: "t", type: "5" }), rawEntry({ name: "other" })]) {
    const archive = rawArchive(target, rawEntry({ name: "h", type: "1", link: "t" }));
    await assert.rejects(treeFromTar(chunked(archive), { contentAt }), { code: "malformed" });
  }
});

test("a path through a symlink of the same archive is refused", async () => {
  const archive = rawArchive(
    rawEntry({ name: "d", type: "2", link: "/etc" }),
    rawEntry({ name: "d/passwd" }, "x"),
  );
  const tree = treeFromTar(chunked(archive), { contentAt: () => bytesSource(new Uint8Array(1)) });
  await assert.rejects(tree, { code: "unsafe-path" });
});

test("a header's checksum is what our own tests think it is", () => {
  assert.deepEqual(withChecksum(rawHeader({})), rawHeader({}));
});
