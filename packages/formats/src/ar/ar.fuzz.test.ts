// Any bytes are an ar archive or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../testing/fuzz.ts";
import { all, chunked } from "../testing/streams.ts";
import { readAr } from "./read-ar.ts";

const member = (name: string, content: string): string =>
  `${name.padEnd(16)}1700000000  0     0     100644  ${`${content.length}`.padEnd(10)}\`\n${content}${content.length % 2 === 1 ? "\n" : ""}`;

test("mutated ar archives give members within their bounds, or a KelpieError", async () => {
  const archive = `!<arch>\n${member("debian-binary", "2.0\n")}${member("control.tar.xz/", "odd")}${member("data.tar", "")}`;
  const { accepted, refused } = await fuzz({
    name: "ar",
    corpus: [Buffer.from(archive)],
    run: async (input) => {
      for await (const { name, content, sizeBytes } of readAr(chunked(input, 13))) {
        assert.match(name, /^[\x20-\x7e]+$/);
        assert.ok(!name.includes("/"));
        assert.equal((await all(content)).length, sizeBytes);
      }
    },
  });
  assert.ok(accepted > 10 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
