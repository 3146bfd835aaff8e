// The guest's files against an agent that is played here, which may say anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import { playAgent } from "../testing/fake-agent.ts";
import { FileChangeKind, FileType } from "./gen/kelpie/agent/v1/file_pb.ts";

const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

const errnos: readonly (readonly [string, Code, KelpieErrorCode])[] = [
  ["ENOENT", Code.NotFound, "not-found"],
  ["EEXIST", Code.AlreadyExists, "already-exists"],
  ["EACCES", Code.PermissionDenied, "permission-denied"],
  ["EROFS", Code.PermissionDenied, "read-only"],
  ["EXDEV", Code.PermissionDenied, "unsafe-path"],
  ["ENOSPC", Code.ResourceExhausted, "disk-full"],
  ["EBUSY", Code.FailedPrecondition, "guest-refused"],
];

for (const [errno, code, expected] of errnos) {
  test(`${errno} is ${expected}, with what was asked`, async () => {
    await using agent = playAgent({
      files: {
        removeFile: () => {
          throw new ConnectError("because", code, { "kelpie-errno": errno });
        },
      },
    });
    await assert.rejects(agent.client.files.remove("/x"), fails(expected, /remove \/x: found because/));
  });
}

test("a file that is not there is no error to look at", async () => {
  await using agent = playAgent({
    files: {
      statFile: () => {
        throw new ConnectError("no", Code.NotFound, { "kelpie-errno": "ENOENT" });
      },
    },
  });
  assert.equal(await agent.client.files.stat("/x"), undefined);
});

for (const path of ["../etc", "/etc/passwd", "a/../../b", ".", "", "a//b", "a\0b", "x".repeat(5000), "a/b"]) {
  test(`a listing that tells of ${JSON.stringify(path.slice(0, 20))} is malformed`, async () => {
    await using agent = playAgent({
      files: {
        async *listDirectory() {
          yield await Promise.resolve({ files: [{ path, type: FileType.REGULAR }] });
        },
      },
    });
    await assert.rejects(Array.fromAsync(agent.client.files.list("/tmp")), fails("malformed"));
  });
}

test("a change that is told of a place outside is malformed", async () => {
  const change = { path: "../../root", kind: FileChangeKind.WRITTEN };
  await using agent = playAgent({
    files: {
      async *watchFiles() {
        yield await Promise.resolve({ event: { case: "change" as const, value: change } });
      },
    },
  });
  await assert.rejects(Array.fromAsync(agent.client.files.watch("/tmp")), fails("malformed"));
});

test("a file that is larger than is wanted is refused as it comes", async () => {
  let sent = 0;
  await using agent = playAgent({
    files: {
      async *readFile({ length = 0n }) {
        for (let left = Number(length); left > 0; left -= 60_000) {
          sent++;
          const value = new Uint8Array(Math.min(left, 60_000));
          yield await Promise.resolve({ part: { case: "data" as const, value } });
        }
      },
    },
  });
  await assert.rejects(agent.client.files.readAll("/endless", 1 << 20), fails("limit-exceeded"));
  assert.ok(sent < 200, `${sent} chunks were sent`);
});

test("what is written goes in pieces that the agent takes, and a source that fails is what is told", async () => {
  const received: Uint8Array[] = [];
  await using agent = playAgent({
    files: {
      async writeFile(requests) {
        for await (const { part } of requests) if (part.case === "data") received.push(part.value);
        return { writtenBytes: 0n, file: { type: FileType.REGULAR, path: "/x" } };
      },
    },
  });
  const content = Buffer.alloc(150_000, "abc");
  await agent.client.files.write("/x", content);
  assert.ok(Buffer.concat(received).equals(content));
  assert.ok(received.every(({ length }) => length <= 64 << 10));
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(content);
    throw new KelpieError("digest-mismatch", "The source is not what it was");
  }
  await assert.rejects(agent.client.files.write("/x", broken()), fails("digest-mismatch"));
});

test("a listing that is left ends its call", async () => {
  const ended = Promise.withResolvers<undefined>();
  await using agent = playAgent({
    files: {
      async *listDirectory(_, { signal }) {
        signal.addEventListener("abort", () => ended.resolve(undefined));
        for (;;) yield await Promise.resolve({ files: [{ path: "a", type: FileType.REGULAR }] });
      },
    },
  });
  for await (const file of agent.client.files.list("/tmp")) {
    assert.equal(file.kind, "file");
    break;
  }
  await ended.promise;
});
