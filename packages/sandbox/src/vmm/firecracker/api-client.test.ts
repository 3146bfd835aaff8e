// Waiting for an API whose process has only just started.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, type Network, realPlatform } from "@kelpie/platform";
import { duplexPair } from "../../testing/duplex-pair.ts";
import { FirecrackerApi } from "./api-client.ts";

/** A network on which connecting fails so often, with these errors, before it succeeds. */
function refusing(...errors: readonly KelpieError[]): {
  readonly network: Network;
  readonly left: () => number;
} {
  const left = [...errors];
  const connectUnix: Network["connectUnix"] = () => {
    const error = left.shift();
    return error === undefined ? Promise.resolve(duplexPair()[0]) : Promise.reject(error);
  };
  return { network: { ...realPlatform.network, connectUnix }, left: () => left.length };
}

const absent = new KelpieError("not-found", "Cannot connect", { found: "ENOENT" });
const refused = new KelpieError("unreachable", "Cannot connect", { found: "ECONNREFUSED" });

test("a socket that is not there yet, or is and does not listen yet, is waited for", async () => {
  const { network, left } = refusing(absent, absent, refused, refused);
  await new FirecrackerApi({ ...realPlatform, network }, "api").untilListening(AbortSignal.timeout(5000));
  assert.equal(left(), 0);
});

test("another failure is told at once, and waiting ends with its signal", async () => {
  const forbidden = new KelpieError("permission-denied", "Cannot connect");
  const api = (...errors: KelpieError[]): FirecrackerApi =>
    new FirecrackerApi({ ...realPlatform, network: refusing(...errors).network }, "api");
  const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;
  await assert.rejects(api(forbidden).untilListening(AbortSignal.timeout(5000)), fails("permission-denied"));
  const endless = Array.from({ length: 1000 }, () => refused);
  await assert.rejects(api(...endless).untilListening(AbortSignal.timeout(50)), fails("cancelled"));
});
