// The real platform against the real machine.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode } from "../errors.ts";
import { runChecked } from "../run-checked.ts";
import { writeFileAtomic } from "../write-file-atomic.ts";
import { realPlatform } from "./index.ts";

const { clock, files, network, processes } = realPlatform;

function withCode(code: KelpieErrorCode): (error: unknown) => boolean {
  return (error) => KelpieError.is(error) && error.code === code;
}

test("a missing file is not-found to open and undefined to stat", async () => {
  await assert.rejects(files.open("/nonexistent/file", "read"), withCode("not-found"));
  assert.equal(await files.stat("/nonexistent/file"), undefined);
  assert.equal(await files.lstat("/nonexistent/file"), undefined);
});

test("a file larger than its bound is refused before it is read", async () => {
  await using directory = await files.temporaryDirectory("kelpie-files-");
  const path = join(directory.path, "big");
  writeFileSync(path, "0123456789");
  await assert.rejects(files.readFile(path, 9), withCode("limit-exceeded"));
  assert.equal(Buffer.from(await files.readFile(path, 10)).toString(), "0123456789");
});

test("files of /proc, which claim to be empty, are read", async () => {
  assert.match(Buffer.from(await files.readFile("/proc/self/stat", 4096)).toString(), /^\d+ /);
});

test("a new directory is made once", async () => {
  await using directory = await files.temporaryDirectory("kelpie-files-");
  await files.makeNewDirectory(join(directory.path, "one"));
  await assert.rejects(files.makeNewDirectory(join(directory.path, "one")), withCode("already-exists"));
});

test("an atomic write that fails leaves nothing", async () => {
  await using directory = await files.temporaryDirectory("kelpie-files-");
  const path = join(directory.path, "target");
  mkdirSync(path);
  mkdirSync(join(path, "child"));
  await assert.rejects(writeFileAtomic(realPlatform, path, "text"));
  assert.deepEqual(readdirSync(directory.path), ["target"]);
  await writeFileAtomic(realPlatform, join(directory.path, "new"), "text", 0o600);
  assert.equal(statSync(join(directory.path, "new")).mode & 0o777, 0o600);
});

test("a program that is not there is a missing tool", async () => {
  await assert.rejects(processes.spawn("kelpie-no-such-program", []), withCode("missing-tool"));
  assert.equal(await processes.find("kelpie-no-such-program"), undefined);
});

test("a program's output, exit code and input are its own", async () => {
  const result = await processes.run("sh", ["-c", "cat; echo error >&2; exit 3"], {
    input: Buffer.from("in"),
  });
  assert.deepEqual(result.exit, { kind: "exited", code: 3 });
  assert.equal(Buffer.from(result.stdout).toString(), "in");
  assert.equal(result.stderr, "error\n");
  await assert.rejects(runChecked(processes, "false", []), withCode("process-failed"));
});

test("a program that takes too long is killed, and one that prints too much", async () => {
  await assert.rejects(processes.run("sleep", ["60"], { timeoutMs: 50 }), withCode("timeout"));
  await assert.rejects(processes.run("yes", [], { maxOutputBytes: 1000 }), withCode("limit-exceeded"));
});

test("disposing a child kills its whole group", async () => {
  let pid = 0;
  {
    await using child = await processes.spawn("sh", ["-c", "sleep 60 & echo $!; wait"], { ownGroup: true });
    for await (const chunk of child.stdout ?? []) {
      pid = Number(String(chunk));
      break;
    }
    assert.ok(processes.isAlive(pid));
  }
  // The orphan is reaped by init, not by us: wait until it is gone or a zombie.
  await clock.sleep(50);
  const state = await processes.run("ps", ["-o", "stat=", "-p", String(pid)]);
  assert.doesNotMatch(Buffer.from(state.stdout).toString(), /^[SRD]/);
});

test("a sleep ends early when it is cancelled", async () => {
  const controller = new AbortController();
  const sleeping = clock.sleep(60_000, controller.signal);
  controller.abort();
  await assert.rejects(sleeping, withCode("cancelled"));
});

test("a deadline aborts with a timeout that says what took long", async () => {
  using deadline = clock.deadline(5, "The test");
  await assert.rejects(
    clock.sleep(60_000, deadline.signal),
    (error) => withCode("timeout")(error) && String(error).includes("The test"),
  );
});

test("Unix sockets carry bytes both ways, and a dead one is unreachable", async () => {
  await using directory = await files.temporaryDirectory("kelpie-net-");
  const path = join(directory.path, "socket");
  await assert.rejects(network.connectUnix(path), withCode("not-found"));
  {
    await using _listener = await network.listenUnix(path, (connection) => connection.pipe(connection));
    const connection = await network.connectUnix(path);
    connection.end("echo");
    assert.equal(await text(connection), "echo");
  }
  await assert.rejects(network.connectUnix(path), withCode("not-found"));
});

test("a host that does not answer is unreachable", async () => {
  await assert.rejects(network.request("http://127.0.0.1:1/"), withCode("unreachable"));
});

test("a TCP connection carries bytes both ways, and one direction's end leaves the other open", async () => {
  const { network } = realPlatform;
  await using listener = await network.listenTcp("127.0.0.1", 0, (connection) => {
    const heard: Uint8Array[] = [];
    connection.on("data", (chunk: Uint8Array) => heard.push(chunk));
    connection.on("end", () => connection.end(Buffer.concat([Buffer.from("heard "), ...heard])));
  });
  const connection = await network.connectTcp("127.0.0.1", listener.port);
  connection.end("hello");
  let answer = "";
  for await (const chunk of connection) answer += String(chunk);
  assert.equal(answer, "heard hello");
  await assert.rejects(
    network.listenTcp("127.0.0.1", listener.port, () => undefined),
    /in-use|Cannot listen/,
  );
});

test("a TCP port at which nobody listens is unreachable", async () => {
  const { network } = realPlatform;
  const { port } = await network
    .listenTcp("127.0.0.1", 0, () => undefined)
    .then(async (listener) => {
      await listener[Symbol.asyncDispose]();
      return listener;
    });
  await assert.rejects(
    network.connectTcp("127.0.0.1", port),
    (error) => KelpieError.is(error) && error.code === "unreachable",
  );
});

test("datagrams go to one place and come from it alone, and a refusal is told", async () => {
  const { network } = realPlatform;
  const echo = createSocket("udp4");
  echo.on("message", (bytes, { port }) => echo.send(`heard ${String(bytes)}`, port, "127.0.0.1"));
  echo.bind(0, "127.0.0.1");
  await once(echo, "listening");
  const { port } = echo.address();
  const socket = await network.connectUdp("127.0.0.1", port);
  const heard = Promise.withResolvers<string>();
  const refused = Promise.withResolvers<string>();
  socket.listen({ onDatagram: (bytes) => heard.resolve(String(bytes)), onError: refused.resolve });
  socket.send(Buffer.from("hello"));
  assert.equal(await heard.promise, "heard hello");
  echo.close();
  await once(echo, "close");
  socket.send(Buffer.from("nobody"));
  assert.match(await refused.promise, /ECONNREFUSED/);
  socket.close();
  socket.close();
  socket.send(Buffer.from("closed"));
});

test("an address to which there is no way is unreachable by datagrams", async () => {
  await assert.rejects(
    // Broadcasting is a right of its own.
    realPlatform.network.connectUdp("255.255.255.255", 9),
    (error) => KelpieError.is(error) && error.code === "unreachable",
  );
});

test("a name has the addresses that this machine knows, and one that does not exist has none", async () => {
  const { network } = realPlatform;
  assert.ok(
    (await network.resolveName("localhost")).some((address) => address === "127.0.0.1" || address === "::1"),
  );
  assert.deepEqual(await network.resolveName("no-such-name.invalid"), []);
});
