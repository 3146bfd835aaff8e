// The handshake, against an agent that is played here.

import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { readLines } from "../qmp/lines.ts";
import { duplexPair } from "../testing/duplex-pair.ts";
import { greetAgent } from "./handshake.ts";

const { clock, random } = realPlatform;
const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;

function greet(stream: Duplex, repeatAfterMs = 5000, withinMs = 5000): Promise<string | undefined> {
  return greetAgent(stream, { clock, random, repeatAfterMs, signal: AbortSignal.timeout(withinMs) });
}

/** Calls `onHello` with each nonce and how many came before. */
function playAgent(end: Duplex, onHello: (nonce: string, count: number) => void): void {
  void (async () => {
    let count = 0;
    for await (const line of readLines(end, 1000)) {
      const nonce = /^KELPIE-HELLO 1 ([0-9a-f]{32})$/.exec(line)?.[1];
      assert.ok(nonce !== undefined, `not a hello: ${line}`);
      onHello(nonce, count++);
    }
  })();
}

for (const pieceBytes of [1, 2, 7, Infinity]) {
  test(`stale bytes are dropped and the session's first bytes kept, in pieces of ${pieceBytes}`, async () => {
    const [host, guest] = duplexPair({ pieceBytes });
    playAgent(guest, (nonce) => {
      const other = "0".repeat(32);
      guest.write(`\u0000\u0001stale KELPIE-READY 1 ${other}\nKELPIE-READY 1 ${nonce.slice(0, 9)}`);
      guest.write(`KELPIE-READY 1 ${nonce}\nPRI * HTTP/2.0`);
    });
    await greet(host);
    const received: Buffer[] = [];
    host.on("data", (bytes: Buffer) => received.push(bytes)).resume();
    while (Buffer.concat(received).length < 14) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(Buffer.concat(received).toString(), "PRI * HTTP/2.0");
  });
}

for (const pieceBytes of [1, 49, Infinity]) {
  test(`the agent's instance is read where it stands right before the answer, in pieces of ${pieceBytes}`, async () => {
    const [own, stale] = ["1".repeat(32), "2".repeat(32)];
    const line = (id: string): string => `KELPIE-INSTANCE ${id}\n`;
    const table: [before: string, instanceId: string | undefined][] = [
      [line(own), own],
      [`${line(stale)}KELPIE-READY 1 ${stale}\n${line(own)}`, own],
      [`KELPIE-INST${line(own)}`, own],
      ["", undefined],
      [`${line(stale)}\n`, undefined],
      [`${line(stale)}KELPIE-READY 1 ${stale}\n`, undefined],
      [line(stale.slice(1)), undefined],
      [line(`${stale}2`), undefined],
      [line("g".repeat(32)), undefined],
    ];
    for (const [before, instanceId] of table) {
      const [host, guest] = duplexPair({ pieceBytes });
      playAgent(guest, (nonce) => guest.write(`${before}KELPIE-READY 1 ${nonce}\n`));
      assert.equal(await greet(host), instanceId, before);
      host.destroy();
    }
  });
}

test("a hello without an answer is repeated with a new nonce, and only the last one's answer counts", async () => {
  const [host, guest] = duplexPair();
  const nonces = new Set<string>();
  playAgent(guest, (nonce, count) => {
    nonces.add(nonce);
    const [first] = nonces;
    if (count === 1) guest.write(`KELPIE-READY 1 ${first ?? ""}\n`);
    if (count === 2) guest.write(`KELPIE-READY 1 ${nonce}\n`);
  });
  await greet(host, 20);
  assert.equal(nonces.size, 3);
});

test("a port that closes before the answer is a lost guest", async () => {
  const [host, guest] = duplexPair();
  playAgent(guest, () => guest.end());
  await assert.rejects(greet(host), fails("guest-lost"));
});

test("an agent that only talks does not hold the host beyond its deadline", async () => {
  const [host, guest] = duplexPair();
  playAgent(guest, () => undefined);
  const noise = setInterval(() => guest.write(Buffer.alloc(10_000, "K")), 1);
  await assert.rejects(greet(host, 20, 100), (error) => fails("cancelled")(error));
  clearInterval(noise);
});
