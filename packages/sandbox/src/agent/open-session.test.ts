// How a session is opened, on ports that are played here.

import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { duplexPair } from "../testing/duplex-pair.ts";
import { openSession } from "./open-session.ts";

const { clock, random } = realPlatform;

/** A port whose guest answers the hello of the connection of this number, counted from one. */
function port(answered: number) {
  const hosts: Duplex[] = [];
  const hellos: string[] = [];
  const open = (): Promise<Duplex> => {
    const [host, guest] = duplexPair();
    const count = hosts.push(host);
    guest.on("data", (bytes: Buffer) => {
      const nonce = /^KELPIE-HELLO 1 (\w{32})\n$/.exec(bytes.toString())?.[1] ?? "";
      hellos.push(nonce);
      if (count === answered) guest.write(`KELPIE-READY 1 ${nonce}\n`);
    });
    return Promise.resolve(host);
  };
  return { open, hosts, hellos };
}

test("a port that does not answer is left, and opened anew with another hello, within a second", async () => {
  const { open, hosts, hellos } = port(2);
  const startMs = performance.now();
  const signal = AbortSignal.timeout(5000);
  const { stream } = await openSession({ clock, random, open, answerWithinMs: 500, signal });
  assert.ok(performance.now() - startMs < 1000);
  assert.deepEqual([hosts.length, new Set(hellos).size], [2, 2]);
  assert.equal(stream, hosts[1]);
  assert.deepEqual(
    hosts.map((host) => host.destroyed),
    [true, false],
  );
});

test("each port that is opened is waited for twice as long as the one before, and none is left open in the end", async () => {
  const { open, hosts } = port(0);
  const startMs = performance.now();
  const opened = openSession({ clock, random, open, answerWithinMs: 10, signal: AbortSignal.timeout(400) });
  await assert.rejects(opened, (error) => error instanceof Error);
  assert.ok(performance.now() - startMs < 2000);
  assert.ok(hosts.length >= 2 && hosts.length <= 6, `${hosts.length} connections`);
  assert.ok(hosts.every((host) => host.destroyed));
});

test("a port that ends before the answer is no reason to open another", async () => {
  const { open, hosts } = port(0);
  const ending = async (): Promise<Duplex> => {
    const host = await open();
    setImmediate(() => host.destroy());
    return host;
  };
  const signal = AbortSignal.timeout(5000);
  const opened = openSession({ clock, random, open: ending, answerWithinMs: 500, signal });
  await assert.rejects(opened, (error) => KelpieError.is(error) && error.code === "guest-lost");
  assert.equal(hosts.length, 1);
});
