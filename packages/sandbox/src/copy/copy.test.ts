// Copies between the host and guests that are played here: a good one, and ones that want out of the destination.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  bytesSource,
  collect,
  type FileNode,
  FileTree,
  readTar,
  type TreeNode,
  writeTar,
  MemorySink,
} from "@kelpie/formats";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import fc from "fast-check";
import { FileType } from "../agent/gen/kelpie/agent/v1/file_pb.ts";
import { type FakeAgent, type FakeAgentBehaviour, playAgent } from "../testing/fake-agent.ts";
import type { CopyOptions } from "./copy.ts";
import { copyIn } from "./copy-in.ts";
import { copyOut } from "./copy-out.ts";
import { extractTar } from "./extract-tar.ts";
import { namePattern } from "./glob.ts";

const { files } = realPlatform;
const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;
const limits = { maxEntries: 1000, maxBytes: 1 << 20 };
const meta = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1000 };
const file = (text: string, mode = 0o644): FileNode => ({
  ...meta,
  mode,
  kind: "file",
  content: bytesSource(Buffer.from(text)),
});
const symlink = (target: string): TreeNode => ({ ...meta, kind: "symlink", target });
const directory: TreeNode = { ...meta, mode: 0o755, kind: "directory" };

/** An archive whose entries need not make a tree. */
async function archive(entries: readonly { path: string; node: TreeNode }[]): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeTar(entries, sink);
  return sink.toBytes();
}

async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

const hostile: readonly (readonly [string, readonly { path: string; node: TreeNode }[]])[] = [
  [
    "through a symlink of its own to elsewhere",
    [
      { path: "d", node: symlink("/tmp") },
      { path: "d/escaped", node: file("x") },
    ],
  ],
  [
    "through a symlink upwards",
    [
      { path: "d", node: symlink("..") },
      { path: "d/escaped", node: file("x") },
    ],
  ],
  [
    "through a file",
    [
      { path: "f", node: file("x") },
      { path: "f/below", node: file("x") },
    ],
  ],
  [
    "with a directory behind its symlink",
    [
      { path: "d", node: symlink("../outside") },
      { path: "d/e", node: directory },
    ],
  ],
];
for (const [how, entries] of hostile) {
  test(`an archive that writes ${how} is refused, and nothing is made outside`, async () => {
    await using scratch = await files.temporaryDirectory("kelpie-copy-");
    const inside = join(scratch.path, "inside");
    mkdirSync(inside);
    mkdirSync(join(scratch.path, "outside"));
    await assert.rejects(
      extractTar(realPlatform, pieces(await archive(entries)), inside, limits),
      fails("unsafe-path"),
    );
    assert.deepEqual(readdirSync(scratch.path).sort(), ["inside", "outside"]);
    assert.deepEqual(readdirSync(join(scratch.path, "outside")), []);
  });
}

test("names with .. are refused by their bytes", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const bytes = Buffer.from(await archive([{ path: "aa/escaped", node: file("x") }]));
  bytes.write("../escaped", 0, "latin1");
  // The header's checksum, made right again: the sum of its bytes with the field itself as spaces.
  bytes.fill(0x20, 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  mkdirSync(join(scratch.path, "inside"));
  const extracted = extractTar(realPlatform, pieces(bytes), join(scratch.path, "inside"), limits);
  await assert.rejects(extracted, fails("unsafe-path"));
  assert.deepEqual(readdirSync(scratch.path), ["inside"]);
});

test("a link that the host has in the destination is replaced and not followed", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const inside = join(scratch.path, "inside");
  mkdirSync(inside);
  writeFileSync(join(scratch.path, "precious"), "mine");
  symlinkSync("../precious", join(inside, "f"));
  await extractTar(
    realPlatform,
    pieces(await archive([{ path: "f", node: file("theirs") }])),
    inside,
    limits,
  );
  assert.equal(readFileSync(join(scratch.path, "precious"), "utf8"), "mine");
  assert.equal(readFileSync(join(inside, "f"), "utf8"), "theirs");
});

test("setuid bits, devices and pipes stay behind, and the modes of directories come last", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const entries: { path: string; node: TreeNode }[] = [
    { path: "locked", node: { ...meta, mode: 0o555, kind: "directory" } },
    { path: "locked/su", node: file("x", 0o6755) },
    { path: "null", node: { ...meta, kind: "character-device", major: 1, minor: 3 } },
    { path: "pipe", node: { ...meta, kind: "fifo" } },
  ];
  const { skipped } = await extractTar(realPlatform, pieces(await archive(entries)), scratch.path, limits);
  assert.equal(statSync(join(scratch.path, "locked/su")).mode & 0o7777, 0o755);
  assert.equal(statSync(join(scratch.path, "locked")).mode & 0o7777, 0o555);
  assert.deepEqual(readdirSync(scratch.path), ["locked"]);
  assert.equal(skipped.length, 2);
});

test("a flood of bytes or of entries ends at its bound", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const large = await archive([
    { path: "a", node: file("x".repeat(700_000)) },
    { path: "b", node: file("x".repeat(700_000)) },
  ]);
  await assert.rejects(
    extractTar(realPlatform, pieces(large, 60_000), scratch.path, limits),
    fails("limit-exceeded"),
  );
  const many = await archive(
    Array.from({ length: 1001 }, (_, index) => ({ path: `f${index}`, node: symlink("x") })),
  );
  await assert.rejects(
    extractTar(realPlatform, pieces(many, 60_000), scratch.path, limits),
    fails("limit-exceeded"),
  );
});

/** A guest with one directory, of which it sends `sent`, and that keeps what it gets. */
function playGuest(
  sent: AsyncIterable<Uint8Array>,
  names: readonly string[] = [],
): { agent: FakeAgent; got: Uint8Array[] } {
  const got: Uint8Array[] = [];
  const behaviour: FakeAgentBehaviour["files"] = {
    statFile: ({ path }) => ({
      file: {
        path: path?.path ?? "",
        type: path?.path === "/d/f.txt" ? FileType.REGULAR : FileType.DIRECTORY,
        mode: 0o4644,
      },
    }),
    async *listDirectory() {
      yield await Promise.resolve({ files: names.map((path) => ({ path })) });
    },
    async *exportTar() {
      for await (const data of sent) yield { data };
    },
    async *readFile() {
      yield await Promise.resolve({ part: { case: "data" as const, value: Buffer.from("content") } });
    },
    async importTar(requests) {
      for await (const { part } of requests) if (part.case === "data") got.push(part.value);
      return { entries: 1n };
    },
    makeDirectory: () => ({}),
  };
  return { agent: playAgent({ files: behaviour }), got };
}

const optionsFor = (agent: FakeAgent): CopyOptions => ({
  platform: realPlatform,
  files: agent.client.files,
  signal: new AbortController().signal,
});

test("a directory comes out under its name, and a file that a wildcard names comes whole and without setuid", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const { agent } = playGuest(pieces(await archive([{ path: "a", node: file("A") }])), [
    "f.txt",
    "g.md",
    ".hidden.txt",
  ]);
  await using _agent = agent;
  await copyOut(optionsFor(agent), ["/d"], `${scratch.path}/new`);
  assert.equal(readFileSync(join(scratch.path, "new/a"), "utf8"), "A");
  await copyOut(optionsFor(agent), ["/d/*.txt"], `${scratch.path}/into/`);
  assert.deepEqual(readdirSync(join(scratch.path, "into")), ["f.txt"]);
  assert.equal(statSync(join(scratch.path, "into/f.txt")).mode & 0o7777, 0o644);
  await assert.rejects(copyOut(optionsFor(agent), ["/d/*.none"], scratch.path), fails("not-found"));
});

for (const name of ["../f.txt", "/f.txt", "..", "a/../f.txt"]) {
  test(`a guest that lists ${JSON.stringify(name)} is refused`, async () => {
    await using scratch = await files.temporaryDirectory("kelpie-copy-");
    const { agent } = playGuest(pieces(new Uint8Array()), [name]);
    await using _agent = agent;
    await assert.rejects(copyOut(optionsFor(agent), ["/d/*"], scratch.path), fails("malformed"));
    assert.deepEqual(readdirSync(scratch.path), []);
  });
}

test("a guest that sends archives without end is left at the bound", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  async function* endless(): AsyncGenerator<Uint8Array> {
    const header = (await archive([{ path: "f", node: file("x".repeat(60_000)) }])).subarray(0, 512 + 60_416);
    for (;;) yield header;
  }
  const { agent } = playGuest(endless());
  await using _agent = agent;
  const copying = copyOut({ ...optionsFor(agent), maxBytes: 1 << 20 }, ["/d"], `${scratch.path}/out`);
  await assert.rejects(copying, fails("limit-exceeded"));
});

test("what goes in has its name at the top, links as links, and the caller's files as root's", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  mkdirSync(join(scratch.path, "src/sub"), { recursive: true });
  writeFileSync(join(scratch.path, "src/sub/b"), "B");
  symlinkSync("sub/b", join(scratch.path, "src/link"));
  const { agent, got } = playGuest(pieces(new Uint8Array()));
  await using _agent = agent;
  await copyIn(optionsFor(agent), [join(scratch.path, "src")], "/d/");
  const found: Record<string, string> = {};
  for await (const entry of readTar(pieces(Buffer.concat(got)))) {
    const content = await collect(entry.content, 100);
    found[entry.path] = `${entry.kind} ${entry.uid} ${entry.linkTarget}${Buffer.from(content).toString()}`;
  }
  const uid = process.getuid?.() === 0 ? statSync(scratch.path).uid : 0;
  assert.deepEqual(found, {
    src: `directory ${uid} `,
    "src/link": `symlink ${uid} sub/b`,
    "src/sub": `directory ${uid} `,
    "src/sub/b": `file ${uid} B`,
  });
});

test("wildcards are a shell's", () => {
  for (const [pattern, name, matches] of [
    ["*", "a", true],
    ["*", ".a", false],
    [".*", ".a", true],
    ["*.txt", "a.txt", true],
    ["*.txt", "a.txt.gz", false],
    ["?b", "ab", true],
    ["?b", "b", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[!a-c]x", "dx", true],
    ["a[", "a[", true],
    ["a+(b)", "a+(b)", true],
    ["[z-a]", "z", false],
  ] as const) {
    assert.equal(namePattern(pattern).test(name), matches, `${pattern} ${name}`);
  }
  fc.assert(fc.property(fc.string(), (text) => namePattern(text) instanceof RegExp));
});

test("a tree that goes in and comes out is the same", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const tree = new FileTree();
  tree.put("a/b", file("B", 0o755));
  tree.put("a/c", symlink("b"));
  const hard = file("H");
  tree.put("h1", hard);
  tree.put("h2", hard);
  await extractTar(realPlatform, pieces(await archive([...tree.entries()])), scratch.path, limits);
  assert.equal(statSync(join(scratch.path, "h1")).ino, statSync(join(scratch.path, "h2")).ino);
  assert.equal(readFileSync(join(scratch.path, "a/c"), "utf8"), "B");
  assert.equal(statSync(join(scratch.path, "a/b")).mode & 0o777, 0o755);
  assert.equal(statSync(join(scratch.path, "a/b")).mtimeMs, 1_000_000);
});

test("no copy takes away a device, a pipe or a directory of the host's, and what a person's link names is replaced", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const { agent } = playGuest(pieces(await archive([{ path: "pipe", node: file("A") }])));
  await using _agent = agent;
  const pipe = join(scratch.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  await assert.rejects(copyOut(optionsFor(agent), ["/d/f.txt"], pipe), fails("already-exists"));
  mkdirSync(join(scratch.path, "into/pipe"), { recursive: true });
  await assert.rejects(
    extractTar(
      realPlatform,
      pieces(await archive([{ path: "pipe", node: file("A") }])),
      join(scratch.path, "into"),
      limits,
    ),
    fails("already-exists"),
  );
  assert.ok(statSync(pipe).isFIFO());
  writeFileSync(join(scratch.path, "real"), "old");
  symlinkSync("real", join(scratch.path, "link"));
  await copyOut(optionsFor(agent), ["/d/f.txt"], join(scratch.path, "link"));
  assert.equal(readFileSync(join(scratch.path, "real"), "utf8"), "content");
  assert.ok(lstatSync(join(scratch.path, "link")).isSymbolicLink());
  await assert.rejects(
    copyOut(optionsFor(agent), ["/d/f.txt"], join(scratch.path, "none/x")),
    (error) =>
      fails("not-found")(error) && /end the destination with a slash/.test((error as KelpieError).help ?? ""),
  );
});

test("a file with holes comes out with them, however large it says it is, within the bound", async () => {
  await using scratch = await files.temporaryDirectory("kelpie-copy-");
  const large = 40 << 20;
  const source = join(scratch.path, "source");
  mkdirSync(source);
  const holey = openSync(join(source, "f"), "w");
  ftruncateSync(holey, large);
  for (const at of [0, 5 << 20, large - 1]) writeSync(holey, "data", at === large - 1 ? at - 3 : at);
  // GNU's tar is who says how such a file is told of.
  const bytes = execFileSync("tar", ["--sparse", "--format=pax", "-C", source, "-c", "f"], {
    maxBuffer: 1 << 26,
  });
  assert.ok(bytes.length < 1 << 20);
  const target = join(scratch.path, "target");
  mkdirSync(target);
  await extractTar(realPlatform, pieces(bytes, 9000), target, { maxEntries: 10, maxBytes: large });
  execFileSync("cmp", [join(source, "f"), join(target, "f")]);
  assert.ok(statSync(join(target, "f")).blocks * 512 < 1 << 20);
  await assert.rejects(
    extractTar(realPlatform, pieces(bytes, 9000), target, { maxEntries: 10, maxBytes: large - 1 }),
    fails("limit-exceeded"),
  );
});
