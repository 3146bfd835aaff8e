// Any bytes are gzip members, within their limits, or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fuzz } from "../testing/fuzz.ts";
import { chunked } from "../testing/streams.ts";
import { gzipMembers } from "./gzip-members.ts";

test("mutated members give bytes within their limit, and stand one behind the other, or a KelpieError", async () => {
  const maxOutputBytes = 10_000;
  const { accepted, refused } = await fuzz({
    name: "gzip members",
    corpus: [Buffer.concat([gzipSync("one"), gzipSync("two".repeat(500)), gzipSync("")])],
    run: async (input) => {
      let outputBytes = 0;
      let compressedBytes = 0;
      for await (const member of gzipMembers(chunked(input, 17), { maxOutputBytes })) {
        assert.equal(member.offset, compressedBytes);
        for await (const chunk of member.content) outputBytes += chunk.length;
        assert.ok(outputBytes <= maxOutputBytes);
        compressedBytes += member.compressedBytes ?? Number.NaN;
      }
      assert.equal(compressedBytes, input.length);
    },
  });
  assert.ok(accepted > 0 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
