// Any bytes are a cpio archive or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySink } from "../byte-sink.ts";
import { textSource } from "../byte-source.ts";
import { fuzz } from "../testing/fuzz.ts";
import { all, chunked } from "../testing/streams.ts";
import { FileTree } from "../tree/file-tree.ts";
import { readCpio } from "./read-cpio.ts";
import { writeCpio } from "./write-cpio.ts";

test("mutated cpio archives give entries within their bounds, or a KelpieError", async () => {
  const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0 };
  const tree = new FileTree();
  const file = { ...plain, kind: "file", content: textSource("content") } as const;
  tree.put("bin/a", file);
  tree.put("bin/b", file);
  tree.put("link", { ...plain, kind: "symlink", target: "bin/a" });
  tree.put("dev/console", { ...plain, kind: "character-device", major: 5, minor: 1 });
  const sink = new MemorySink();
  await writeCpio(tree.entries(), sink);
  const { accepted, refused } = await fuzz({
    name: "cpio",
    corpus: [sink.toBytes()],
    run: async (input) => {
      for await (const entry of readCpio(chunked(input, 97))) {
        assert.ok(!entry.path.split("/").includes("..") && !entry.path.startsWith("/"));
        assert.equal((await all(entry.content)).length, entry.sizeBytes);
      }
    },
  });
  assert.ok(accepted > 20 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
