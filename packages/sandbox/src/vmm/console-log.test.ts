// What is kept of a console, and what of it a person gets to see.

import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "@kelpie/platform";
import fc from "fast-check";
import { ByteTail } from "./byte-tail.ts";
import { ConsoleLog } from "./console-log.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("the stage is the last that the guest named, however its lines are cut", () => {
  const text = "[    0.1] x\r\nkelpie: init initrd\r\nkelpie: init root\r\nnoise kelpie: \n";
  for (let cut = 0; cut < text.length; cut++) {
    const log = new ConsoleLog();
    log.append(bytes(text.slice(0, cut)));
    log.append(bytes(text.slice(cut)));
    assert.equal(log.stage, "root");
  }
});

test("the agent's readiness is a stage", () => {
  const log = new ConsoleLog();
  log.append(bytes("kelpie: init agent\nkelpie: agent ready\n"));
  assert.equal(log.stage, "agent ready");
});

test("a flood is kept within bounds, with its beginning, its end and how much is missing", () => {
  const log = new ConsoleLog();
  log.append(bytes("the beginning\n"));
  const flood = bytes(`${"x".repeat(99)}\n`.repeat(100));
  for (let i = 0; i < 500; i++) log.append(flood);
  log.append(bytes("the end\n"));
  const text = log.text();
  assert.ok(text.startsWith("the beginning\n"));
  assert.ok(text.endsWith("the end\n"));
  assert.match(text, /\[\d+ bytes of console output left out\]/);
  assert.ok(text.length < 200_000, `${text.length} characters`);
});

test("a line without an end does not pile up", () => {
  const log = new ConsoleLog();
  for (let i = 0; i < 5000; i++) log.append(bytes("y".repeat(1000)));
  log.append(bytes("\nkelpie: init mounts\n"));
  assert.equal(log.stage, "mounts");
});

test("the last lines leave out blank ones", () => {
  const log = new ConsoleLog();
  log.append(bytes("one\r\n\r\ntwo  \n   \nthree"));
  assert.deepEqual(log.lastLines(2), ["two", "three"]);
});

test("a tail always keeps its last bytes and never twice its bound", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 50 }), (chunks) => {
      const tail = new ByteTail(32);
      for (const chunk of chunks) tail.append(chunk);
      const all = Buffer.concat(chunks);
      const kept = Buffer.from(tail.bytes());
      assert.ok(kept.length < 64);
      assert.ok(kept.length >= Math.min(32, all.length));
      assert.deepEqual(kept, all.subarray(all.length - kept.length));
      assert.equal(tail.lostBytes, all.length - kept.length);
    }),
  );
});

test("text for a person has no terminal control in it, whatever the guest wrote", () => {
  assert.equal(printable("\u001b[31mred\u001b[0m"), "red");
  assert.equal(printable("\u001b]0;title\u0007after"), "after");
  assert.equal(printable("\u001b]8;;http://x\u001b\\link"), "link");
  assert.equal(printable("a\rb\bc\td\n"), "abc\td\n");
  assert.equal(printable("\u202eevil"), "evil");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(printable(text), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u);
    }),
  );
});
