// Lies about files.

import assert from "node:assert/strict";
import { type FileChangeKind, FileType } from "../../agent/gen/kelpie/agent/v1/file_pb.ts";
import { forever, type Lie, most, nasty, silence, stalled } from "./lies.ts";

const looks = (name: string, file: object | undefined, outcome: Lie["outcome"]): Lie => ({
  name: `a file ${name}`,
  behaviour: { files: { statFile: () => (file === undefined ? {} : { file }) } },
  call: (client) => client.files.stat("/asked"),
  outcome,
});

const lists = (name: string, path: string, depth = 1): Lie => ({
  name: `a directory has ${name}`,
  behaviour: {
    files: {
      async *listDirectory() {
        yield await Promise.resolve({ files: [{ path, type: FileType.REGULAR }] });
      },
    },
  },
  call: (client, signal) => Array.fromAsync(client.files.list("/", { depth, signal })),
  outcome: ["malformed"],
});

const content = (value: string): { part: { case: "data"; value: Uint8Array } } => ({
  part: { case: "data", value: Buffer.from(value) },
});

const isCounted = (value: unknown): void => {
  for (const each of Object.values(value as object))
    if (typeof each === "number") assert.ok(Number.isFinite(each));
};

export const fileLies: readonly Lie[] = [
  looks("is nothing", undefined, ["malformed"]),
  looks("is another than was asked for", { path: "/etc/shadow", type: 1 }, (value) =>
    assert.equal((value as { path: string }).path, "/asked"),
  ),
  looks(
    "is of a kind that there is not, and too large",
    { type: 99, sizeBytes: most, mode: 0xffffffff },
    (value) => {
      isCounted(value);
      assert.deepEqual(
        [(value as { kind: string }).kind, (value as { mode: number }).mode],
        ["unknown", 0o7777],
      );
    },
  ),
  looks("is of before and after all time", { type: 1, modifiedUnixNs: -(2n ** 63n) }, isCounted),
  looks("points to more than a path can be", { type: 3, linkTarget: "y".repeat(100_000) }, ["malformed"]),
  looks("points to a NUL", { type: 3, linkTarget: "a\0b" }, ["malformed"]),
  lists("an entry that leads out", "../x"),
  lists("itself", "."),
  lists("its parent", ".."),
  lists("an entry of the root", "/etc/passwd"),
  lists("a name of nothing", ""),
  lists("a name with NUL", "a\0b"),
  lists("an entry below its entries that was not asked for", "a/b"),
  lists("an entry that leads out further down", "a/../../b", 4),
  lists("an entry of nothing further down", "a//b", 4),
  lists("a name that is too long", "y".repeat(5000)),
  {
    name: "a directory has pages without entries, without end",
    behaviour: { files: { listDirectory: () => forever(() => ({ files: [] })) } },
    call: (client, signal) => Array.fromAsync(client.files.list("/", { signal })),
    outcome: ["malformed", "timeout"],
  },
  {
    name: "a file has pieces without bytes, without end",
    behaviour: { files: { readFile: () => forever(() => content("")) } },
    call: (client, signal) => client.files.readAll("/f", 100, signal),
    outcome: ["malformed", "timeout"],
  },
  {
    name: "a file has more than was asked for",
    behaviour: { files: { readFile: () => forever(() => content("yyy")) } },
    call: (client, signal) => Array.fromAsync(client.files.read("/f", { lengthBytes: 10, signal })),
    outcome: ["malformed"],
  },
  {
    name: "a file never ends where its beginning is wanted",
    behaviour: { files: { readFile: () => forever(() => content("y".repeat(1000))) } },
    call: (client, signal) => client.files.readAll("/f", 10_000, signal),
    outcome: ["malformed", "limit-exceeded"],
  },
  {
    name: "a change leads out of what is watched",
    behaviour: {
      files: {
        async *watchFiles() {
          yield await Promise.resolve({
            event: { case: "change" as const, value: { kind: 1, path: "../../x" } },
          });
        },
      },
    },
    call: (client, signal) => Array.fromAsync(client.files.watch("/", { signal })),
    outcome: ["malformed"],
  },
  {
    name: "changes are of a kind that there is not, without end",
    behaviour: {
      files: {
        watchFiles: () =>
          forever(() => ({
            event: { case: "change" as const, value: { kind: 99 as FileChangeKind, path: "x" } },
          })),
      },
    },
    call: (client, signal) => Array.fromAsync(client.files.watch("/", { signal })),
    outcome: ["timeout", "malformed"],
  },
  {
    name: "a file that is written is another, before it has come",
    behaviour: {
      files: { writeFile: () => Promise.resolve({ writtenBytes: most, file: { path: nasty, type: 1 } }) },
    },
    call: (client, signal) => client.files.write("/asked", Buffer.alloc(1 << 20), { signal }),
    outcome: ["guest-lost", "guest-refused"],
  },
  {
    name: "an archive has more entries than there are numbers",
    behaviour: { files: { importTar: () => Promise.resolve({ entries: most, contentBytes: most }) } },
    call: (client, signal) => client.files.tarIn("/", Buffer.alloc(1024), { signal }),
    outcome: isCounted,
  },
  {
    name: "what is sent is never taken",
    behaviour: { files: { writeFile: (_, { signal }) => stalled(signal) } },
    call: (client, signal) =>
      client.files.write(
        "/f",
        forever(() => Buffer.alloc(60_000)),
        { signal },
      ),
    outcome: ["timeout"],
  },
  ...(["read", "tarOut", "list", "watch"] as const).map(
    (what): Lie => ({
      name: `${what} is never answered`,
      behaviour: {
        files: {
          readFile: (_, { signal }) => silence(signal),
          exportTar: (_, { signal }) => silence(signal),
          listDirectory: (_, { signal }) => silence(signal),
          watchFiles: (_, { signal }) => silence(signal),
        },
      },
      call: (client, signal) => Array.fromAsync<unknown>(client.files[what]("/", { signal })),
      outcome: ["timeout"],
    }),
  ),
  ...(["stat", "mkdir", "remove"] as const).map(
    (what): Lie => ({
      name: `${what} is never answered`,
      behaviour: {
        files: {
          statFile: (_, { signal }) => stalled(signal),
          makeDirectory: (_, { signal }) => stalled(signal),
          removeFile: (_, { signal }) => stalled(signal),
        },
      },
      call: (client) => client.files[what]("/x", { timeoutMs: 300 }),
      outcome: ["timeout"],
    }),
  ),
];
