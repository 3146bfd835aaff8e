// Whatever QEMU, a guest's port or a record on the disk says is read, or refused with a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { greetAgent } from "./agent/handshake.ts";
import { readRecord } from "./lifecycle/sandbox-record.ts";
import { readLines } from "./qmp/lines.ts";
import { parseQmpMessage } from "./qmp/messages.ts";
import {
  parseTemplateRecord,
  serializeTemplateRecord,
  type TemplateRecord,
} from "./templates/template-record.ts";
import { duplexPair } from "./testing/duplex-pair.ts";

test("damaged messages of QEMU are read, or refused with a KelpieError", async () => {
  const { refused } = await fuzz({
    name: "qmp",
    corpus: [
      '{"QMP": {"version": {}}}\r\n{"return": {}, "id": 1}\r\n',
      '{"error": {"class": "GenericError", "desc": "no"}, "id": 2}\n{"event": "SHUTDOWN", "data": {"guest": true}}\n',
    ].map((text) => Buffer.from(text)),
    run: async (input) => {
      const chunks = [input.subarray(0, 20), input.subarray(20)];
      // eslint-disable-next-line @typescript-eslint/require-await -- a stream is asynchronous, memory is not
      const stream = (async function* () {
        yield* chunks;
      })();
      for await (const line of readLines(stream, 200)) parseQmpMessage(line);
    },
  });
  assert.ok(refused > 100, `${refused} refused`);
});

test("whatever stale bytes a guest's port holds, the answer behind them is found and nothing of it is lost", async () => {
  const { clock, random } = realPlatform;
  await fuzz({
    name: "handshake",
    corpus: [`\0stale KELPIE-READY 1 ${"0".repeat(32)}\nKELPIE-READY 1 KELPIE-`].map((text) =>
      Buffer.from(text),
    ),
    run: async (input) => {
      const [host, guest] = duplexPair({ pieceBytes: 1 + (input.length % 7) });
      const playing = (async () => {
        for await (const hello of readLines(guest, 1000))
          guest.write(Buffer.concat([input, Buffer.from(`KELPIE-READY 1 ${hello.slice(-32)}\nPRI`)]));
      })();
      const signal = AbortSignal.timeout(10_000);
      await greetAgent(host, { clock, random, repeatAfterMs: 10_000, signal });
      let received = "";
      const { promise, resolve } = Promise.withResolvers<undefined>();
      host.on("data", (bytes: Buffer) => {
        received += bytes.toString("latin1");
        if (received.length >= 3) resolve(undefined);
      });
      host.resume();
      await promise;
      assert.equal(received, "PRI");
      host.end();
      await playing;
    },
    runs: 200,
  });
});

const templateRecord: TemplateRecord = {
  schemaVersion: 1,
  image: { rootfs: "a", kernel: "b", initrd: "c" },
  imageStamps: { rootfs: "1", kernel: "2", initrd: "3" },
  stamps: { memory: "1", state: "2", disk: "3" },
  hostBoot: "x",
};

test("a damaged record of a template is read, or none", async () => {
  await fuzz({
    name: "template record",
    corpus: [Buffer.from(serializeTemplateRecord(templateRecord))],
    run: (input) => {
      const record = parseTemplateRecord(new TextDecoder().decode(input));
      if (record === undefined) return;
      assert.deepEqual(parseTemplateRecord(serializeTemplateRecord(record)), record);
    },
  });
});

test("a damaged record of a sandbox is read, or refused with a KelpieError", async () => {
  const identity = { pid: 1, startTime: "2" };
  const text = JSON.stringify({
    schema: 1,
    id: "0123456789ab",
    name: "box",
    image: { name: "x", version: "", directory: "", architecture: "amd64" },
    memoryMiB: 256,
    cpus: 1,
    agentPorts: 4,
    env: { A: "b" },
    monitorDescription: "QEMU",
    createdMs: 1,
    removeAtEnd: true,
    hostBoot: "x",
    creator: identity,
    phase: { kind: "ready", keeper: identity, monitor: identity },
  });
  const { accepted, refused } = await fuzz({
    name: "sandbox record",
    corpus: [Buffer.from(text)],
    run: (input) =>
      readRecord({ files: { ...realPlatform.files, readFile: () => Promise.resolve(input) } }, "/x"),
  });
  assert.ok(accepted > 0 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
