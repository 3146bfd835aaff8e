// The control channel against a QEMU that is played here, and against the real one.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import fc from "fast-check";
import { duplexPair } from "../testing/duplex-pair.ts";
import { readLines } from "./lines.ts";
import { parseQmpMessage, type QmpEvent } from "./messages.ts";
import { QmpClient } from "./qmp-client.ts";

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}}\r\n`;
const { clock } = realPlatform;
const never = new AbortController().signal;

const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;

/** A QEMU that answers each command by `answer`. */
function playQemu(end: Duplex, answer: (command: string, id: number) => string | undefined): void {
  end.write(greeting);
  void (async () => {
    for await (const line of readLines(end, 1000)) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      const text = execute === "qmp_capabilities" ? `{"return": {}, "id": ${id}}` : answer(execute, id);
      if (text !== undefined) end.write(`${text}\r\n`);
    }
  })().catch(() => undefined);
}

async function open(
  answer: (command: string, id: number) => string | undefined,
  pieceBytes = Infinity,
): Promise<{ client: QmpClient; qemu: Duplex; events: QmpEvent[] }> {
  const [host, qemu] = duplexPair({ pieceBytes });
  playQemu(qemu, answer);
  const events: QmpEvent[] = [];
  const client = await QmpClient.open(host, { clock, onEvent: (event) => events.push(event), signal: never });
  return { client, qemu, events };
}

test("a command gets its own answer, also when they come in another order and two bytes at a time", async () => {
  const held: string[] = [];
  const { client, qemu } = await open((command, id) => {
    held.unshift(`{"return": "${command}", "id": ${id}}`);
    if (held.length === 2) qemu.write(`${held.join("\n")}\n`);
    return undefined;
  }, 2);
  assert.deepEqual(await Promise.all([client.execute("first"), client.execute("second")]), [
    "first",
    "second",
  ]);
  client[Symbol.dispose]();
});

test("a refusal carries QEMU's words", async () => {
  const { client } = await open(
    (_, id) => `{"error": {"class": "GenericError", "desc": "no such thing"}, "id": ${id}}`,
  );
  await assert.rejects(
    client.execute("device_del"),
    (error) => fails("process-failed")(error) && /device_del.*no such thing/.test(String(error)),
  );
  client[Symbol.dispose]();
});

test("a command that is not answered fails at its deadline, and the next one works", async () => {
  const { client } = await open((command, id) =>
    command === "mute" ? undefined : `{"return": 1, "id": ${id}}`,
  );
  await assert.rejects(client.execute("mute", undefined, 30), fails("timeout"));
  assert.equal(await client.execute("loud"), 1);
  client[Symbol.dispose]();
});

test("when the channel ends, whoever waits is told, and so is whoever comes later", async () => {
  const { client, qemu } = await open((_, __) => {
    qemu.destroy();
    return undefined;
  });
  await assert.rejects(client.execute("quit"), fails("guest-lost"));
  await assert.rejects(client.execute("more"), fails("guest-lost"));
  assert.ok(fails("guest-lost")(await client.ended));
});

test("events arrive in their order with their data", async () => {
  const { client, qemu, events } = await open((_, id) => `{"return": {}, "id": ${id}}`);
  qemu.write(`{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}\r\n`);
  qemu.write(`{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}\r\n`);
  await client.execute("query-status");
  assert.deepEqual(events, [
    { kind: "event", name: "STOP", data: {} },
    { kind: "event", name: "SHUTDOWN", data: { guest: true, reason: "guest-shutdown" } },
  ]);
  client[Symbol.dispose]();
});

test("a line without end closes the channel instead of filling the memory", async () => {
  const { client, qemu } = await open((_, __) => undefined);
  qemu.on("error", () => undefined);
  const flood = Buffer.alloc(256 << 10, "x");
  for (let i = 0; i < 5; i++) qemu.write(flood);
  assert.ok(fails("limit-exceeded")(await client.ended));
});

test("an abort ends the wait for a greeting", async () => {
  const [host, qemu] = duplexPair();
  const controller = new AbortController();
  const opening = QmpClient.open(host, { clock, onEvent: () => undefined, signal: controller.signal });
  controller.abort();
  await assert.rejects(opening, fails("cancelled"));
  if (!qemu.destroyed) await once(qemu.resume(), "end");
});

test("what is not QMP is refused, and never anything but a KelpieError comes of it", () => {
  for (const line of ["", "[]", "null", "{}", "{", '"QMP"', '{"return": 1}', '{"event": 1}', '{"id": 1}']) {
    assert.throws(() => parseQmpMessage(line), fails("malformed"), line);
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      try {
        parseQmpMessage(line);
      } catch (error) {
        assert.ok(fails("malformed")(error));
      }
    }),
  );
});

test("lines come out as they went in, however they are cut", async () => {
  const text = fc.stringMatching(/^[a-zäß€]{0,20}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(text), fc.integer({ min: 1, max: 7 }), async (lines, size) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      const read: string[] = [];
      for await (const line of readLines(asynchronous(chunks), 100)) read.push(line);
      assert.deepEqual(read, lines);
    }),
  );
});

async function* asynchronous<T>(values: readonly T[]): AsyncGenerator<T> {
  for (const value of values) yield await Promise.resolve(value);
}
