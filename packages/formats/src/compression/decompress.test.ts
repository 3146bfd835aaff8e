import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { all, chunked } from "../testing/streams.ts";
import { filter, unlessInstalled } from "../testing/tools.ts";
import { decompress, type DecompressOptions } from "./decompress.ts";
import { compressionFormat } from "./format.ts";

const limits = { maxOutputBytes: 2 ** 28 };

async function unpack(
  bytes: Uint8Array,
  options: Partial<DecompressOptions> = {},
  chunkBytes = 65_536,
): Promise<Buffer> {
  return all(decompress(chunked(bytes, chunkBytes), { ...limits, ...options }));
}

/** Text with repeats near and far, code-like branches, and runs: every kind of symbol of LZMA and LZ4. */
function mixedContent(sizeBytes: number, seed = 7): Buffer {
  const content = Buffer.alloc(sizeBytes);
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  let at = 0;
  while (at < sizeBytes) {
    const kind = next(5);
    const length = 1 + next(kind === 4 ? 600 : 40);
    if (kind === 0) content.fill(next(256), at, Math.min(at + length, sizeBytes));
    else if (kind === 1)
      for (let i = 0; i < length && at + i < sizeBytes; i += 1) content[at + i] = next(256);
    else if (kind === 2) content.write(`call ${next(100)} of function_${next(20)}();\n`, at, "latin1");
    else if (kind === 3)
      content.set([0xe8, next(256), next(4), 0, next(2) * 255].slice(0, sizeBytes - at), at);
    else if (at > 0) content.copyWithin(at, next(at), at);
    at += length;
  }
  return content;
}

const contents = new Map([
  ["nothing", Buffer.alloc(0)],
  ["one byte", Buffer.from("a")],
  ["zeros", Buffer.alloc(300_000)],
  ["mixed content", mixedContent(150_000)],
]);
/** Longer than the longest LZMA2 chunk, so that a small dictionary has to move. */
const longContent = mixedContent(2_600_000);

const xzVariants: readonly (readonly string[])[] = [
  ["-0"],
  ["-6"],
  ["-9", "--check=sha256"],
  ["--check=none"],
  ["--check=crc32"],
  ["--block-size=100000"],
  ["--lzma2=dict=4KiB"],
  ["--lzma2=dict=64KiB,lc=0,lp=4,pb=0"],
  ["--lzma2=lc=4,lp=0,pb=4,nice=273"],
  ["--lzma2=mode=fast,nice=5,lc=1,lp=2,pb=3"],
  ["--x86", "--lzma2"],
  ["--arm64", "--lzma2"],
  ["--x86=start=4096", "--lzma2=dict=1MiB"],
];
const xzMissing = unlessInstalled("xz");
for (const options of xzVariants) {
  test(`what xz ${options.join(" ")} has made comes out as it went in`, { skip: xzMissing }, async () => {
    for (const [name, content] of contents) {
      const packed = filter("xz", ["-c", "-T1", ...options], content);
      assert.ok((await unpack(packed)).equals(content), name);
    }
  });
}

test("content that is longer than its dictionary comes out of xz whole", { skip: xzMissing }, async () => {
  for (const options of [
    ["-0"],
    ["--lzma2=mode=fast,dict=4KiB"],
    ["--x86", "--lzma2=mode=fast,dict=64KiB"],
  ]) {
    assert.ok((await unpack(filter("xz", ["-c", ...options], longContent))).equals(longContent));
  }
});

test("xz blocks of random content and filters survive any cut of the stream", {
  skip: xzMissing,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 5000 }),
      fc.integer(),
      fc.constantFrom(...xzVariants),
      fc.integer({ min: 1, max: 100 }),
      async (sizeBytes, seed, options, chunkBytes) => {
        const content = mixedContent(sizeBytes, seed);
        const packed = filter("xz", ["-c", ...options], content);
        assert.ok((await unpack(packed, {}, chunkBytes)).equals(content));
      },
    ),
    { numRuns: 25 },
  );
});

test("several xz streams with padding between them are one content", { skip: xzMissing }, async () => {
  const [first, second] = ["first ", "second"].map((text) => filter("xz", ["-c"], Buffer.from(text)));
  assert.ok(first !== undefined && second !== undefined);
  const joined = Buffer.concat([first, Buffer.alloc(8), second, Buffer.alloc(4)]);
  assert.equal((await unpack(joined, {}, 1)).toString(), "first second");
  await assert.rejects(unpack(Buffer.concat([first, Buffer.alloc(3)])), { code: "malformed" });
});

/** What `xz -c` makes of a text, so that the format is held where there is no xz. */
const helloXz = Buffer.from(
  "fd377a585a000004e6d6b4460200210116000000742fe5a3e00013000e5d00341949ee8def8c8731f52f6400000000" +
    "00b0488559d7a9ae4b00012a147ead37551fb6f37d010000000004595a",
  "hex",
);

test("a small xz stream comes out whole, and refuses any bit flipped in it", async () => {
  assert.equal((await unpack(helloXz, {}, 1)).toString(), "hello, hello, hello\n");
  for (let bit = 6 * 8; bit < helloXz.length * 8; bit += 1) {
    const damaged = Buffer.from(helloXz);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    await assert.rejects(unpack(damaged), /^KelpieError/, `bit ${bit}`);
  }
});

test("an xz stream that is cut off anywhere, or damaged, is refused", { skip: xzMissing }, async () => {
  const content = mixedContent(3000);
  const packed = filter("xz", ["-c"], content);
  for (let length = 6; length < packed.length; length += 1) {
    await assert.rejects(unpack(packed.subarray(0, length)), { code: "malformed" }, `${length} bytes`);
  }
  for (let at = 6; at < packed.length; at += 1) {
    const damaged = Buffer.from(packed);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
    await assert.rejects(unpack(damaged), /^KelpieError/, `byte ${at}`);
  }
});

test("a dictionary beyond the limit and a filter that is not known are refused", {
  skip: xzMissing,
}, async () => {
  const content = mixedContent(10_000);
  await assert.rejects(unpack(filter("xz", ["-c", "--lzma2=dict=192MiB"], content)), {
    code: "limit-exceeded",
  });
  await assert.rejects(unpack(filter("xz", ["-c", "-6"], content), { maxWindowBytes: 2 ** 20 }), {
    code: "limit-exceeded",
  });
  await assert.rejects(unpack(filter("xz", ["-c", "--delta", "--lzma2"], content)), { code: "unsupported" });
});

test("all frames of a zstd stream are read, skippable ones passed over", async () => {
  const parts = ["first ", "second ", ""].map((text) => zstdCompressSync(Buffer.from(text)));
  const skippable = Buffer.from("5a2a4d1805000000", "hex");
  const joined = Buffer.concat([...parts, skippable, Buffer.from("later"), zstdCompressSync("third")]);
  for (const chunkBytes of [1, 7, 65_536]) {
    assert.equal((await unpack(joined, {}, chunkBytes)).toString(), "first second third");
  }
});

test("what zstd has made comes out as it went in", { skip: unlessInstalled("zstd") }, async () => {
  for (const options of [["-1"], ["-19"], ["--no-check", "-3"], ["--long=24", "-5"]]) {
    for (const [name, content] of contents) {
      const packed = filter("zstd", ["-qc", ...options], content);
      assert.ok((await unpack(packed)).equals(content), `${options.join(" ")}: ${name}`);
    }
  }
});

test("a zstd stream that is cut off or damaged, or asks for too large a window, is refused", async () => {
  const content = mixedContent(3000);
  const packed = zstdCompressSync(content, { params: { 201: 1 } });
  for (let length = 4; length < packed.length; length += 1) {
    await assert.rejects(unpack(packed.subarray(0, length)), { code: "malformed" }, `${length} bytes`);
  }
  const damaged = Buffer.from(packed);
  damaged[packed.length - 1] = (damaged[packed.length - 1] ?? 0) ^ 1;
  await assert.rejects(unpack(damaged), { code: "malformed" });
  await assert.rejects(unpack(Buffer.concat([packed, Buffer.from("more")])), { code: "malformed" });
  const wide = zstdCompressSync(mixedContent(4_000_000), { params: { 101: 22 } });
  await assert.rejects(unpack(wide, { maxWindowBytes: 2 ** 20 }), { code: "malformed" });
});

test("what lz4 -l has made comes out as it went in", { skip: unlessInstalled("lz4") }, async () => {
  for (const [name, content] of [
    ...contents,
    ["more than a block", Buffer.concat(Array(4).fill(longContent))] as const,
  ]) {
    if (content.length === 0) continue;
    const packed = filter("lz4", ["-lc"], content);
    assert.ok((await unpack(packed)).equals(content), name);
  }
});

test("an lz4 block that reaches outside itself is refused", async () => {
  const magic = "02214c18";
  for (const block of ["f0ff", "1041ffff", "104100000000", "1f410100ffffffff", "10410100"]) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length / 2);
    const stream = Buffer.concat([Buffer.from(magic, "hex"), size, Buffer.from(block, "hex")]);
    await assert.rejects(unpack(stream), { code: "malformed" }, block);
  }
});

test("the format is told by the first bytes, and an uncompressed stream passes through", async () => {
  assert.equal(compressionFormat(gzipSync("x")), "gzip");
  assert.equal(compressionFormat(zstdCompressSync("x")), "zstd");
  assert.equal(compressionFormat(helloXz), "xz");
  assert.equal(compressionFormat(Buffer.from("070701")), "none");
  for (const text of ["", "x", "plain text that is longer"]) {
    assert.equal((await unpack(Buffer.from(text), {}, 1)).toString(), text);
  }
});

test("a stream in another format than the caller insists on is refused", async () => {
  await assert.rejects(unpack(gzipSync("x"), { format: "xz" }), {
    code: "malformed",
    message: "A stream is not compressed as it should be: expected xz, found gzip",
  });
});

test("every format stops at the limit of its output", async () => {
  const zeros = Buffer.alloc(20_000_000);
  for (const packed of [gzipSync(zeros), zstdCompressSync(zeros), zeros]) {
    await assert.rejects(unpack(packed, { maxOutputBytes: 1_000_000 }), { code: "limit-exceeded" });
  }
  await assert.rejects(unpack(zstdCompressSync(zeros)), {
    code: "limit-exceeded",
    summary: /expands too much/,
  });
  assert.equal((await unpack(zstdCompressSync(zeros), { maxRatio: 1e6 })).length, zeros.length);
});

test("a failure of the source comes through as it is", async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(gzipSync(mixedContent(300_000)).subarray(0, 70_000));
    throw new RangeError("the disk is gone");
  };
  await assert.rejects(all(decompress(failing(), limits)), {
    name: "RangeError",
    message: "the disk is gone",
  });
});
