// Exit codes of `kelpie run`.

import assert from "node:assert/strict";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import type { ProcessEnd } from "../agent/process.ts";
import { exitCodeOf } from "./exit-code.ts";
import { writeOutput } from "./write-output.ts";

const table: readonly (readonly [end: ProcessEnd, code: number])[] = [
  [{ kind: "exited", code: 0, cause: "own" }, 0],
  [{ kind: "exited", code: 255, cause: "own" }, 255],
  [{ kind: "exited", code: 0, cause: "timed-out" }, 124],
  [{ kind: "signalled", signal: 15, cause: "timed-out" }, 124],
  [{ kind: "signalled", signal: 9, cause: "out-of-memory" }, 137],
  [{ kind: "signalled", signal: 11, cause: "own" }, 139],
  [{ kind: "not-started", failure: "not-found", message: "" }, 127],
  [{ kind: "not-started", failure: "not-executable", message: "" }, 126],
  [{ kind: "not-started", failure: "no-such-user", message: "" }, 125],
  [{ kind: "not-started", failure: "bad-directory", message: "" }, 125],
  [{ kind: "not-started", failure: "other", message: "" }, 125],
];

for (const [end, code] of table) {
  test(`${JSON.stringify(end)} is exit code ${code}`, () => assert.equal(exitCodeOf(end), code));
}

test("a write waits for its reader", async () => {
  const stream = new PassThrough({ highWaterMark: 1 });
  let isWritten = false;
  const first = writeOutput(stream, Buffer.from("one"));
  const second = writeOutput(stream, Buffer.from("two")).then((taken) => (isWritten = taken));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isWritten, false);
  stream.resume();
  assert.deepEqual(await Promise.all([first, second]), [true, true]);
});

test("a write to a reader that has gone says so, and no error ends the process", async () => {
  const broken = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(), { code: "EPIPE" })),
  });
  assert.equal(await writeOutput(broken, Buffer.from("x")), false);
  assert.equal(await writeOutput(broken, Buffer.from("x")), false);
});
