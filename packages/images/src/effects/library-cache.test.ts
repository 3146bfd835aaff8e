import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { bytesSource, FileTree } from "@kelpie/formats";
import { readBytes, TreeEditor } from "../rootfs/image-tree.ts";
import { compareSonames, encodeLibraryCache, matchesPattern, writeLibraryCache } from "./library-cache.ts";
import { readSharedObject } from "./shared-object.ts";

/** The smallest shared object that has a name. */
function sharedObject(soname: string | undefined, machine = 62): Uint8Array {
  const name = new TextEncoder().encode(`\0${soname ?? ""}\0`);
  const bytes = new Uint8Array(64 + 2 * 56 + 48 + name.length);
  const view = new DataView(bytes.buffer);
  const [dynamic, strings] = [176, 224];
  view.setUint32(0, 0x7f_45_4c_46);
  bytes.set([2, 1, 1], 4);
  view.setUint16(16, 3, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const segment = (at: number, type: number, offset: number, address: number, size: number): void => {
    view.setUint32(at, type, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(address), true);
    view.setBigUint64(at + 32, BigInt(size), true);
  };
  segment(64, 1, 0, 0x1000, bytes.length);
  segment(120, 2, dynamic, 0x1000 + dynamic, 48);
  const tags: readonly (readonly [number, number])[] = [
    [5, 0x1000 + strings],
    [soname === undefined ? 1 : 14, 1],
    [0, 0],
  ];
  for (const [index, [tag, value]] of tags.entries()) {
    view.setBigUint64(dynamic + index * 16, BigInt(tag), true);
    view.setBigUint64(dynamic + index * 16 + 8, BigInt(value), true);
  }
  bytes.set(name, strings);
  return bytes;
}

function put(editor: TreeEditor, path: string, bytes: Uint8Array): void {
  const content = bytesSource(bytes);
  editor.tree.put(path, { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, content });
}

/** What ldconfig reads out of a cache. */
async function printed(cache: Uint8Array): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-ldcache-"));
  try {
    await writeFile(join(directory, "cache"), cache);
    const text = execFileSync("/sbin/ldconfig", ["-p", "-C", join(directory, "cache")], { encoding: "utf8" });
    return text
      .split("\n")
      .filter((line) => line.startsWith("\t"))
      .map((line) => line.trim());
  } finally {
    await rm(directory, { recursive: true });
  }
}

const skip = existsSync("/sbin/ldconfig") ? false : "no ldconfig is installed";

test("ldconfig reads every library out of the cache that Kelpie writes, for both machines", {
  skip,
}, async () => {
  const libraries = ["liba.so.1", "libstdc++.so.6", "libz.so.1", "libz.so.10", "libz.so.2"].map((soname) => ({
    soname,
    path: `/usr/lib/${soname}`,
  }));
  for (const [architecture, word] of [
    ["amd64", "x86-64"],
    ["arm64", "AArch64"],
  ] as const) {
    assert.deepEqual(
      (await printed(encodeLibraryCache(libraries, architecture))).toSorted(),
      libraries.map(({ soname, path }) => `${soname} (libc6,${word}) => ${path}`).toSorted(),
    );
  }
});

test("the order of names is total and takes digits for numbers", () => {
  const sorted = ["liba.so", "libz.so.1", "libz.so.2", "libz.so.10", "libz2.so"];
  assert.deepEqual(sorted.toReversed().toSorted(compareSonames), sorted);
  const name = fc.string({ unit: fc.constantFrom("a", "z", ".", "+", "1", "2", "10", "0"), maxLength: 8 });
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      assert.equal(Math.sign(compareSonames(a, b)), -Math.sign(compareSonames(b, a)) + 0);
      if (compareSonames(a, b) <= 0 && compareSonames(b, c) <= 0) assert.ok(compareSonames(a, c) <= 0);
    }),
  );
});

test("libraries are found in the directories of ld.so.conf and those that the loader knows, and links are made", {
  skip,
}, async () => {
  const editor = new TreeEditor(new FileTree(), 0);
  editor.link("lib", "usr/lib");
  put(editor, "usr/lib64/ld-linux-x86-64.so.2", sharedObject("ld-linux-x86-64.so.2"));
  editor.link("lib64", "usr/lib64");
  put(editor, "usr/lib/x86_64-linux-gnu/libz.so.1.2.13", sharedObject("libz.so.1"));
  editor.link("usr/lib/x86_64-linux-gnu/libz.so", "libz.so.1");
  put(editor, "usr/lib/x86_64-linux-gnu/libplain.so", sharedObject(undefined));
  put(editor, "usr/lib/x86_64-linux-gnu/libother.so.1", sharedObject("libother.so.1", 183));
  put(editor, "usr/lib/x86_64-linux-gnu/libscript.so", new TextEncoder().encode("INPUT(-lz)"));
  put(editor, "usr/local/lib/libz.so.1", sharedObject("libz.so.1"));
  editor.text("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
  editor.text("etc/ld.so.conf.d/local.conf", "# mine\n/usr/local/lib\n");
  await writeLibraryCache(editor, "amd64");
  const cache = await readBytes(editor.tree, "/etc/ld.so.cache", 1 << 20);
  assert.ok(cache !== undefined);
  assert.deepEqual(await printed(cache), [
    "libz.so.1 (libc6,x86-64) => /usr/local/lib/libz.so.1",
    "libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1",
    "libz.so (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so",
    "libplain.so (libc6,x86-64) => /lib/x86_64-linux-gnu/libplain.so",
    "ld-linux-x86-64.so.2 (libc6,x86-64) => /lib64/ld-linux-x86-64.so.2",
  ]);
  const link = editor.tree.get("usr/lib/x86_64-linux-gnu/libz.so.1");
  assert.equal(link?.kind === "symlink" && link.target, "libz.so.1.2.13");
});

test("an image without glibc's loader gets no cache", async () => {
  const editor = new TreeEditor(new FileTree(), 0);
  await writeLibraryCache(editor, "arm64");
  assert.equal(editor.tree.get("etc/ld.so.cache"), undefined);
});

test("a library's name is read as the linker wrote it", async (context) => {
  const path = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6"].find((each) =>
    existsSync(each),
  );
  if (path === undefined) context.skip("no glibc is installed");
  else assert.equal(readSharedObject(await readFile(path))?.soname, "libc.so.6");
});

test("bytes that are no shared object have no name and do no harm", () => {
  const valid = sharedObject("libx.so.1");
  assert.equal(readSharedObject(valid)?.soname, "libx.so.1");
  fc.assert(
    fc.property(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length), (at, value, length) => {
      const bytes = valid.slice(0, length);
      if (at < length) bytes[at] = value;
      readSharedObject(bytes);
    }),
    { numRuns: 2000 },
  );
});

test("patterns match as a shell's do", () => {
  const piece = fc.constantFrom("a", "b", "*", "?");
  const text = (unit: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
    fc.string({ unit, maxLength });
  fc.assert(
    fc.property(text(fc.constantFrom("a", "b"), 8), text(piece, 6), (name, pattern) => {
      const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
      assert.equal(matchesPattern(name, pattern), expression.test(name));
    }),
    { numRuns: 2000 },
  );
  assert.ok(!matchesPattern("a".repeat(255), "*a".repeat(120) + "b"));
});
