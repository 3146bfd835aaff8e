// What passes through processes and files: whole, in order, once, whatever becomes of the connections.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import type { ProcessRequest } from "../../agent/process.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Session } from "./subject.ts";

const shell = (script: string, rest: Partial<ProcessRequest> = {}): ProcessRequest => ({
  argv: ["/bin/sh", "-c", script],
  ...rest,
});
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** Bytes that say where they stand. */
function numbered(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at);
  return bytes;
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

/** Runs a process and cuts the connection each time so many bytes have come. */
async function runCut(session: Session, request: ProcessRequest, everyBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const steps = session.client.exec(request)[Symbol.asyncIterator]();
  for (let step = await steps.next(); ; step = await steps.next()) {
    if (step.done === true) {
      assert.deepEqual(step.value, { kind: "exited", code: 0, cause: "own" });
      return Buffer.concat(chunks);
    }
    assert.notEqual(step.value.kind, "lost");
    if (step.value.kind === "lost") continue;
    chunks.push(step.value.bytes);
    const before = Math.floor(size / everyBytes);
    size += step.value.bytes.length;
    if (Math.floor(size / everyBytes) > before) session.cut();
  }
}

/** What a session of processes and files must do. */
export const streamBehaviours: readonly Behaviour[] = [
  {
    name: "output comes whole over a connection that is cut again and again",
    async check(subject) {
      await using session = await subject.session();
      const script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); printf '%05d%04091d\\n' $i 0; done";
      const output = await runCut(session, shell(script), 300_000);
      const expected = Array.from(
        { length: 400 },
        (_, i) => `${String(i + 1).padStart(5, "0")}${"0".repeat(4091)}\n`,
      );
      assert.equal(sha256(output), sha256(Buffer.from(expected.join(""))));
      assert.ok(session.opened() > 4, `${session.opened()} connections`);
    },
  },
  {
    name: "input arrives whole, once and in order over a connection that is cut again and again",
    async check(subject) {
      await using session = await subject.session();
      const input = numbered(2 << 20);
      const output = await runCut(session, { argv: ["cat"], stdin: inPieces(input, 70_001) }, 500_000);
      assert.equal(sha256(output), sha256(input));
      assert.ok(session.opened() > 3, `${session.opened()} connections`);
    },
  },
  {
    name: "a connection that is cut starts no process twice",
    async check(subject) {
      await using session = await subject.session();
      const name = `/tmp/once-${process.pid}-${performance.now()}`;
      for (let round = 0; round < 5; round++) {
        const running = session.client.exec(shell(`echo run >> ${name}; sleep 0.05`)).collect();
        if (round % 2 === 0) setImmediate(() => session.cut());
        else session.cut();
        assert.equal((await running).end.kind, "exited");
      }
      assert.equal(text(await session.client.files.readAll(name)), "run\n".repeat(5));
      await session.client.files.remove(name);
    },
  },
  {
    name: "a process that outlives its reader is found again by another, with its output from any byte on",
    async check(subject) {
      await using first = await subject.session();
      const started = await first.client.start(shell("printf 0123456789; printf err >&2; sleep 0.2; exit 5"));
      assert.ok("id" in started && started.pid > 1);
      let seen = 0;
      for await (const piece of first.client.attach(started.id)) {
        seen += piece.kind === "lost" ? 0 : piece.bytes.length;
        if (seen === 13) break;
      }
      await using second = await subject.session();
      const offsets = { stdout: 4, stderr: 1 };
      const { stdout, stderr, end } = await second.client.attach(started.id, { offsets }).collect();
      assert.deepEqual([text(stdout), text(stderr)], ["456789", "rr"]);
      assert.deepEqual(end, { kind: "exited", code: 5, cause: "own" });
      const again = await second.client.attach(started.id).collect();
      assert.equal(text(again.stdout), "0123456789");
    },
  },
  {
    name: "a process whose host is gone for good is ended",
    async check(subject) {
      await using session = await subject.session();
      const { result } = await session.client.processes.startProcess({
        spec: { argv: ["sleep", "1000"], orphanTimeoutMs: 200, killGraceMs: 100 },
      });
      assert.equal(result.case, "process");
      const { end } = await session.client.attach(result.value.id, { passive: true }).collect();
      assert.deepEqual(end, { kind: "signalled", signal: 15, cause: "orphaned" });
    },
  },
  {
    name: "what cannot be started says why",
    async check(subject) {
      await using session = await subject.session();
      const table: readonly (readonly [ProcessRequest, string])[] = [
        [{ argv: ["no-such-program"] }, "not-found"],
        [{ argv: ["/etc/passwd"] }, "not-executable"],
        [{ argv: ["/"] }, "not-executable"],
        [{ argv: ["true"], cwd: "/absent" }, "bad-directory"],
        [{ argv: ["true"], cwd: "/etc/passwd" }, "bad-directory"],
        [{ argv: ["true"], user: "nobody-at-all" }, "no-such-user"],
      ];
      for (const [request, failure] of table) {
        const { end } = await session.client.exec(request).collect();
        assert.equal(end.kind === "not-started" && end.failure, failure, request.argv[0]);
      }
    },
  },
  {
    name: "a terminal has the size that it is given, and hears of a new one",
    async check(subject) {
      await using session = await subject.session();
      const script = "stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
      const execution = session.client.exec(shell(script, { terminal: { rows: 33, columns: 101 } }));
      let output = "";
      let isTold = false;
      for await (const piece of execution) {
        if (piece.kind !== "lost") output += text(piece.bytes);
        if (isTold || !output.includes("ready")) continue;
        isTold = true;
        await execution.resize(44, 55);
      }
      assert.equal(output, "33 101\r\nready\r\n44 55\r\n");
    },
  },
  {
    name: "files are written, looked at, listed, renamed, linked, read in parts and removed",
    async check(subject) {
      await using session = await subject.session();
      const { files } = session.client;
      const root = `/tmp/files-${process.pid}-${Math.trunc(performance.now())}`;
      await files.mkdir(`${root}/deep/er`, { parents: true, permissions: 0o750 });
      const content = numbered(300_000);
      const written = await files.write(`${root}/a`, inPieces(content, 99_999), { permissions: 0o640 });
      assert.deepEqual([written.kind, written.sizeBytes, written.mode], ["file", 300_000, 0o640]);
      assert.ok(Buffer.from(await files.readAll(`${root}/a`)).equals(content));
      const part: Uint8Array[] = [];
      for await (const chunk of files.read(`${root}/a`, { offsetBytes: 70_000, lengthBytes: 100_001 }))
        part.push(chunk);
      assert.ok(Buffer.concat(part).equals(content.subarray(70_000, 170_001)));
      await assert.rejects(files.write(`${root}/a`, content, { mode: "create" }), failure("already-exists"));
      await files.write(`${root}/a`, Buffer.from("!"), { mode: "append" });
      await files.write(`${root}/a`, Buffer.from("??"), { mode: { at: 5 } });
      assert.equal((await files.stat(`${root}/a`))?.sizeBytes, 300_001);
      await files.symlink("/etc/passwd", `${root}/deep/link`);
      assert.equal((await files.stat(`${root}/deep/link`, { noFollow: true }))?.linkTarget, "/etc/passwd");
      await files.rename(`${root}/a`, `${root}/b`);
      const listed = await Array.fromAsync(
        files.list(root, { depth: 3 }),
        ({ path, kind }) => `${kind} ${path}`,
      );
      assert.deepEqual(listed.sort(), ["directory deep", "directory deep/er", "file b", "symlink deep/link"]);
      const outside = files.readAll({ root, path: "deep/link" });
      await assert.rejects(outside, failure("unsafe-path"));
      assert.equal(await files.stat(`${root}/a`), undefined);
      await assert.rejects(files.readAll(`${root}/a`), failure("not-found"));
      assert.equal(await files.remove(root, { recursive: true }), 5);
    },
  },
  {
    name: "a tree goes out as an archive and comes in again",
    async check(subject) {
      await using session = await subject.session();
      const { files } = session.client;
      const root = `/tmp/tar-${process.pid}-${Math.trunc(performance.now())}`;
      await files.mkdir(`${root}/from/sub`, { parents: true });
      await files.mkdir(`${root}/to`);
      const content = numbered(200_000);
      await files.write(`${root}/from/sub/data`, content, { permissions: 0o600 });
      await files.symlink("sub/data", `${root}/from/link`);
      const archive = await Array.fromAsync(files.tarOut(`${root}/from`, { exclude: ["absent"] }));
      const { entries, bytes } = await files.tarIn(`${root}/to`, inPieces(Buffer.concat(archive), 1000));
      assert.deepEqual([entries, bytes], [4, 200_000]);
      assert.ok(Buffer.from(await files.readAll(`${root}/to/link`)).equals(content));
      await assert.rejects(files.tarIn(`${root}/to`, numbered(5120)), KelpieError);
      await files.remove(root, { recursive: true });
    },
  },
  {
    name: "changes of files are told",
    async check(subject) {
      await using session = await subject.session();
      const { files } = session.client;
      const root = `/tmp/watch-${process.pid}-${Math.trunc(performance.now())}`;
      await files.mkdir(root);
      const stands = Promise.withResolvers<undefined>();
      const watch = files.watch(root, { recursive: true, onStarted: () => stands.resolve(undefined) });
      const first = watch.next();
      await stands.promise;
      await files.mkdir(`${root}/new`);
      const { value } = await first;
      assert.deepEqual(value, { kind: "created", path: "new", isDirectory: true });
      await watch.return(undefined);
      await files.remove(root, { recursive: true });
    },
  },
  {
    name: "a session that takes nothing holds up no other",
    async check(subject) {
      await using stuck = await subject.session();
      await using quick = await subject.session();
      const flood = stuck.client.exec({ argv: ["cat", "/dev/zero"] })[Symbol.asyncIterator]();
      await flood.next();
      for (let i = 0; i < 20; i++) assert.ok((await quick.client.ping()) < 2000);
      await flood.return({ kind: "exited", code: 0, cause: "own" });
    },
  },
  {
    name: "a garbled session is dropped and the next one works",
    async check(subject) {
      await using session = await subject.session();
      for (const garbage of [
        "K",
        "KELPIE-HELLO 1 0123",
        "\0\0\0\x09\x09\x09\x09\x09\x09",
        "\xff".repeat(5000),
      ]) {
        await session.client.ping();
        const before = session.opened();
        session.inject(Buffer.from(garbage, "latin1"));
        await session.client.ping();
        assert.ok(session.opened() > before, JSON.stringify(garbage.slice(0, 20)));
      }
    },
  },
];

function failure(code: string) {
  return (error: unknown): boolean => KelpieError.is(error) && error.code === code;
}
