// Any bytes are a tar archive or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesSource } from "../byte-source.ts";
import { fuzz } from "../testing/fuzz.ts";
import { all, chunked } from "../testing/streams.ts";
import { paxRecord, rawArchive, rawEntry, rawPax, repairChecksums } from "../testing/tar-blocks.ts";
import { readTar } from "./read-tar.ts";
import { tarTreeEntries } from "./tree-from-tar.ts";

const corpus = [
  rawArchive(rawEntry({ name: "a" }, "content"), rawEntry({ name: "h", type: "1", link: "a" })),
  rawArchive(
    rawPax([paxRecord("mtime", "1.5")], "g"),
    rawPax([paxRecord("path", "long/name"), paxRecord("SCHILY.xattr.user.a", "b"), paxRecord("size", "7")]),
    rawEntry({}, "content"),
    rawEntry({ name: "d/", type: "5" }),
    rawEntry({ name: "l", type: "2", link: "../target" }),
  ),
  rawArchive(
    rawEntry({ type: "L" }, "gnu/long/name\0"),
    rawEntry({ type: "K" }, "gnu/long/link\0"),
    rawEntry({ type: "2" }),
    rawEntry({ name: "dev", type: "3" }),
    rawEntry({ uid: "\x80\0\0\0\0\0\x03\xe8" }, "x".repeat(600)),
  ),
];

test("mutated tar archives give entries within their bounds, or a KelpieError", async () => {
  const { accepted, refused } = await fuzz({
    name: "tar",
    corpus,
    repair: repairChecksums,
    run: async (input) => {
      const toTree = tarTreeEntries(() => bytesSource(new Uint8Array(0)));
      for await (const entry of readTar(chunked(input, 97))) {
        assert.ok(!entry.path.split("/").includes("..") && !entry.path.startsWith("/"));
        const { node } = toTree(entry);
        assert.ok(node.uid >= 0 && node.uid < 2 ** 32 && node.mode <= 0o7777);
        assert.equal((await all(entry.content)).length, entry.sizeBytes);
        assert.ok(entry.contentOffset + entry.sizeBytes <= input.length);
      }
    },
  });
  assert.ok(accepted > 20 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
