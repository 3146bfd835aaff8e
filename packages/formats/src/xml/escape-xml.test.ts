// Judged by expat, through Python.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { escapeXml } from "./escape-xml.ts";

test("markup, quotes and what XML does not have are no more in the words", () => {
  assert.equal(escapeXml('<a b="c">&\0\ud800'), "&lt;a b=&quot;c&quot;&gt;&amp;\ufffd\ufffd");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (words) => {
      assert.match(escapeXml(words), /^(?:[^<>"&\0-\x08\x0b\x0c\x0e-\x1f]|&(?:amp|lt|gt|quot);)*$/);
    }),
  );
});

const python =
  "import sys, xml.etree.ElementTree as xml; print(len(list(xml.parse(sys.stdin.buffer).getroot())))";

test("any words are well formed as an attribute and as a text", {
  skip: spawnSync("python3", ["-c", "import xml.etree.ElementTree"]).status === 0 ? false : "no Python",
}, () => {
  const words = fc.sample(fc.string({ unit: "binary" }), 1000).map(escapeXml);
  const input = `<all>${words.map((each) => `<a b="${each}">${each}</a>`).join("\n")}</all>`;
  const { stdout, stderr } = spawnSync("python3", ["-c", python], { input, encoding: "utf8" });
  assert.equal(stdout, "1000\n", stderr);
});
