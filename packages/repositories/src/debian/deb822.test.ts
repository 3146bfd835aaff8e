// Control data: fields, continuations, comments, limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatStanza, parseDeb822, parseStanza } from "./deb822.ts";

const sample = `# a comment
Package: bash
Version:5.2

Package: dash
Description: shell
 first line
 .
\tlast line
Conffiles:
 /etc/x abc
`;

test("stanzas, continuation lines and comments are read, and names have no case", () => {
  const stanzas = parseDeb822(sample, { comments: true });
  assert.equal(stanzas.length, 2);
  const [bash, dash] = stanzas;
  assert.ok(bash !== undefined && dash !== undefined);
  assert.equal(bash.get("package"), "bash");
  assert.equal(bash.get("VERSION"), "5.2");
  assert.equal(dash.get("Description"), "shell\n first line\n .\n\tlast line");
  assert.equal(dash.get("Conffiles"), "\n /etc/x abc");
  assert.equal(dash.get("Absent"), undefined);
});

test("a line that is no field, a continuation of nothing and a field given twice are refused with their line", () => {
  for (const [text, line] of [
    ["Package: a\nno colon", 2],
    [" continued", 1],
    ["A: 1\n\nB: 2\nb: 3", 4],
    ["-A: 1", 1],
    ["# not here", 1],
  ] as const)
    assert.throws(() => parseDeb822(text), { code: "malformed", where: `control data, line ${line}` }, text);
});

test("texts, stanzas and fields are bounded", () => {
  assert.throws(() => parseDeb822("A: 1", { limits: { maxLength: 3 } }), { code: "limit-exceeded" });
  assert.throws(() => parseDeb822("A: 1\n\nA: 2", { limits: { maxStanzas: 1 } }), { code: "limit-exceeded" });
  assert.throws(() => parseDeb822("A: 1\nB: 2", { limits: { maxFields: 1 } }), { code: "limit-exceeded" });
});

test("one stanza is asked for and one is given", () => {
  assert.equal(parseStanza("\nA: 1\n\n").get("a"), "1");
  assert.throws(() => parseStanza(""), { code: "malformed" });
  assert.throws(() => parseStanza("A: 1\n\nB: 2"), { code: "malformed" });
});

test("a stanza that is written reads back the same", () => {
  const line = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
  const value = fc
    .tuple(fc.oneof(fc.constant(""), line), fc.array(line, { maxLength: 3 }))
    .map(([first, rest]) => [first, ...rest.map((text) => ` ${text}`)].join("\n"));
  const fields = fc.uniqueArray(
    fc.record({ name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/), value }, { noNullPrototype: true }),
    {
      selector: ({ name }) => name.toLowerCase(),
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(fields, (written) => {
      assert.deepEqual(parseStanza(formatStanza(written)).fields, written);
    }),
  );
});
