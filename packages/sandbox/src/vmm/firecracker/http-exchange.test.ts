// Reading the answers of a monitor's API, in pieces, and those that are none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import { duplexPair } from "../../testing/duplex-pair.ts";
import { exchange, type HttpAnswer } from "./http-exchange.ts";

async function answered(answer: string, pieceBytes = Infinity): Promise<HttpAnswer> {
  const [ours, theirs] = duplexPair({ pieceBytes });
  let seen = "";
  theirs.on("data", (bytes: Buffer) => {
    seen += bytes.toString();
    if (seen.endsWith("{}")) theirs.end(answer);
  });
  const result = await exchange(ours, "PUT", "/vsock", Buffer.from("{}"));
  assert.equal(
    seen,
    "PUT /vsock HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
  );
  return result;
}

for (const pieceBytes of [1, 2, 7, 1000]) {
  test(`an answer is read whole, in pieces of ${pieceBytes}`, async () => {
    const head =
      "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n";
    assert.deepEqual(await answered(`${head}{"a"}beyond`, pieceBytes), { status: 200, body: '{"a"}' });
  });
}

test("an answer without a length has no body", async () => {
  assert.deepEqual(await answered("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"), { status: 204, body: "" });
});

const bad: readonly (readonly [what: string, answer: string, code: KelpieErrorCode])[] = [
  ["nothing", "", "process-failed"],
  ["half a head", "HTTP/1.1 200 OK\r\n", "process-failed"],
  ["less than it says", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "process-failed"],
  ["no HTTP", "kelpie\r\n\r\n", "malformed"],
  ["no status", "HTTP/1.1 OK\r\n\r\n", "malformed"],
  ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"],
  ["a head without end", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(5000)}`, "limit-exceeded"],
  ["too much", "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "limit-exceeded"],
];
for (const [what, answer, code] of bad) {
  test(`an answer that is refused: ${what}`, async () => {
    await assert.rejects(answered(answer), (error) => KelpieError.is(error) && error.code === code);
  });
}
