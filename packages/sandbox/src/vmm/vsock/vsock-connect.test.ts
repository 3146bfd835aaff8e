// Connecting to a guest's vsock port, against a monitor that is played here.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { connectVsock, isRefusedByGuest } from "./vsock-connect.ts";

const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;

interface PlayedMonitor extends AsyncDisposable {
  readonly path: string;
  readonly connections: readonly Duplex[];
}

/** A monitor that does as `onRequest` wants with the first bytes of each connection. */
async function playMonitor(onRequest: (stream: Duplex, request: string) => void): Promise<PlayedMonitor> {
  const directory = await realPlatform.files.temporaryDirectory("kelpie-vsock-");
  const path = `${directory.path}/vsock`;
  const connections: Duplex[] = [];
  const listener = await realPlatform.network.listenUnix(path, (stream) => {
    connections.push(stream);
    stream.on("error", () => undefined);
    stream.once("data", (request: Buffer) => onRequest(stream, request.toString()));
  });
  return {
    path,
    connections,
    async [Symbol.asyncDispose]() {
      for (const stream of connections) stream.destroy();
      await listener[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const connect = (path: string, withinMs = 5000): Promise<Duplex> =>
  connectVsock(realPlatform, path, 5123, AbortSignal.timeout(withinMs));

for (const pieceBytes of [1, 3, 100]) {
  test(`a connection begins at the guest's first byte, in pieces of ${pieceBytes}`, async () => {
    await using monitor = await playMonitor((stream, request) => {
      assert.equal(request, "CONNECT 5123\n");
      const answer = "OK 1073741824\nfirst words";
      const send = (at: number): void => {
        stream.write(answer.slice(at, at + pieceBytes));
        if (at + pieceBytes < answer.length) setImmediate(send, at + pieceBytes);
        else stream.end();
      };
      send(0);
    });
    const stream = await connect(monitor.path);
    let received = "";
    stream.on("data", (bytes: Buffer) => (received += bytes.toString()));
    await once(stream, "end");
    assert.equal(received, "first words");
  });
}

test("a guest without a listener refuses, which may be tried again", async () => {
  await using monitor = await playMonitor((stream) => stream.destroy());
  await assert.rejects(
    connect(monitor.path),
    (error) => fails("unreachable")(error) && isRefusedByGuest(error),
  );
});

test("a monitor that closes before it has read the request refuses likewise", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-vsock-");
  const path = `${directory.path}/vsock`;
  await using _listener = await realPlatform.network.listenUnix(path, (stream) => stream.destroy());
  await assert.rejects(connect(path), isRefusedByGuest);
});

test("a request that nothing answers counts as refused after two seconds", async () => {
  await using monitor = await playMonitor(() => undefined);
  await assert.rejects(connect(monitor.path), isRefusedByGuest);
});

test("a monitor that is gone is no guest that refuses", async () => {
  const path = "/tmp/kelpie-no-such-directory/vsock";
  await assert.rejects(connect(path), (error) => fails("not-found")(error) && !isRefusedByGuest(error));
});

for (const answer of ["NO 5\n", "OK\n", "OK -1\n", "OK 12345678901\n", "\n", "x".repeat(1000)]) {
  test(`an answer that is none is refused: ${JSON.stringify(answer.slice(0, 20))}`, async () => {
    await using monitor = await playMonitor((stream) => stream.write(answer));
    await assert.rejects(connect(monitor.path), fails("malformed"));
  });
}

test("who gives up waiting is answered at once, and the connection goes only after the monitor's answer", async () => {
  const asked = Promise.withResolvers<Duplex>();
  await using monitor = await playMonitor((stream) => asked.resolve(stream));
  const stop = new AbortController();
  const connecting = connectVsock(realPlatform, monitor.path, 5123, stop.signal);
  const stream = await asked.promise;
  stop.abort();
  await assert.rejects(connecting, fails("cancelled"));
  assert.ok(!stream.destroyed && !stream.readableEnded);
  const ended = once(stream, "end");
  stream.resume().write("OK 7\n");
  await ended;
});
