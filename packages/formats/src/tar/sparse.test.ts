// Files with holes: ours against GNU tar's, and maps that lie.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import fc from "fast-check";
import { MemorySink } from "../byte-sink.ts";
import { bytesSource, type SeekableSource } from "../byte-source.ts";
import { chunked } from "../testing/streams.ts";
import { paxRecord, rawArchive, rawEntry, rawPax } from "../testing/tar-blocks.ts";
import { readTar } from "./read-tar.ts";
import { sparsePieces, withHoles } from "./sparse.ts";
import { type TarSourceEntry, writeTar } from "./write-tar.ts";

const meta = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0 };

/** A file that has data only where `lengths` say: a hole, data, a hole, data and so on. */
function holey(lengths: readonly number[]): { bytes: Buffer; source: SeekableSource } {
  const bytes = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0));
  const dataRanges: { start: number; end: number }[] = [];
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    if (index % 2 === 1) {
      bytes.fill(0x61 + (index % 26), at, at + length);
      if (length > 0) dataRanges.push({ start: at, end: at + length });
    }
    at += length;
  }
  const readInto = (into: Uint8Array, position: number): Promise<void> => {
    into.set(bytes.subarray(position, position + into.length));
    return Promise.resolve();
  };
  return { bytes, source: { ...bytesSource(bytes), dataRanges, readInto } };
}

async function packed(lengths: readonly number[]): Promise<Uint8Array> {
  const { source } = holey(lengths);
  const entries: TarSourceEntry[] = [{ path: "dir/file", node: { ...meta, kind: "file", content: source } }];
  const sink = new MemorySink();
  await writeTar(withHoles(entries), sink);
  return sink.toBytes();
}

async function unpacked(archive: Uint8Array, chunkBytes: number): Promise<Buffer> {
  for await (const { path, sparseSizeBytes = 0, content } of readTar(chunked(archive, chunkBytes), {
    sparse: true,
  })) {
    assert.equal(path, "dir/file");
    const file = Buffer.alloc(sparseSizeBytes);
    for await (const { offset, bytes } of sparsePieces(content, sparseSizeBytes, "a test"))
      file.set(bytes, offset);
    return file;
  }
  throw new assert.AssertionError({ message: "the archive is empty" });
}

test("what is packed with holes is unpacked as it was, however the archive is cut", async () => {
  const length = fc.nat({ max: 3000 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(length, { maxLength: 60 }),
      fc.integer({ min: 1, max: 2000 }),
      async (lengths, cut) => {
        const { bytes } = holey(lengths);
        assert.ok(bytes.equals(await unpacked(await packed(lengths), cut)));
      },
    ),
    { numRuns: 60 },
  );
});

test("GNU tar unpacks what is packed with holes, and leaves the holes", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "kelpie-sparse-"));
  try {
    const lengths = [1 << 20, 4096, 1 << 20, 100, 1 << 20];
    writeFileSync(join(scratch, "a.tar"), await packed(lengths));
    execFileSync("tar", ["-C", scratch, "-xf", join(scratch, "a.tar")]);
    assert.ok(readFileSync(join(scratch, "dir/file")).equals(holey(lengths).bytes));
    assert.ok(statSync(join(scratch, "dir/file")).blocks * 512 < 1 << 16);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test("a reader that did not ask for files with holes refuses them", async () => {
  const archive = await packed([5, 5]);
  await assert.rejects(
    async () => {
      for await (const _ of readTar(chunked(archive, 512)));
    },
    (error) => KelpieError.is(error) && error.code === "unsupported",
  );
});

for (const [name, map, sizeBytes] of [
  ["is no number", "x\n", 10],
  ["has no end", "1".repeat(600), 10],
  ["counts more than there may be", "70000\n", 10],
  ["lies backwards", "2\n5\n1\n0\n1\n", 10],
  ["reaches beyond the file", "1\n5\n6\n", 10],
  ["reaches beyond all numbers", "1\n999999999999999\n999999999999999\n", 10],
  ["promises more than comes", "1\n0\n900\n", 1000],
  ["promises less than comes", "1\n0\n1\n", 1000],
] as const) {
  test(`a map that ${name} is refused`, async () => {
    const block = Buffer.alloc(512);
    block.write(map.slice(0, 512));
    const records = ["major=1", "minor=0", "name=f", `realsize=${sizeBytes}`].map((record) => {
      const [key = "", value = ""] = record.split("=");
      return paxRecord(`GNU.sparse.${key}`, value);
    });
    const archive = rawArchive(
      rawPax(records),
      rawEntry({ name: "f" }, `${block.toString("latin1")}${"d".repeat(512)}`),
    );
    await assert.rejects(
      unpackedFile(archive),
      (error) => KelpieError.is(error) && ["malformed", "limit-exceeded"].includes(error.code),
    );
  });
}

async function unpackedFile(archive: Uint8Array): Promise<void> {
  for await (const { sparseSizeBytes = 0, content } of readTar(chunked(archive, 512), { sparse: true })) {
    for await (const { offset, bytes } of sparsePieces(content, sparseSizeBytes, "a test"))
      assert.ok(offset + bytes.length <= sparseSizeBytes);
  }
}
