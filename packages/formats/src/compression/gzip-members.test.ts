import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { all, chunked } from "../testing/streams.ts";
import { alpineFile, filter, unlessInstalled } from "../testing/tools.ts";
import { gzip, gzipBytes } from "./gzip.ts";
import { gzipMembers } from "./gzip-members.ts";

const limits = { maxOutputBytes: 2 ** 26 };

interface Split {
  readonly raw: Buffer;
  readonly content: Buffer;
}

/** The members of `stream`, each as its exact bytes and its content. */
async function split(stream: Uint8Array, chunkBytes: number): Promise<Split[]> {
  const raws: Buffer[][] = [];
  const members: Split[] = [];
  const options = {
    ...limits,
    onCompressed: (index: number, bytes: Uint8Array) => (raws[index] ??= []).push(Buffer.from(bytes)),
  };
  for await (const member of gzipMembers(chunked(stream, chunkBytes), options)) {
    const content = await all(member.content);
    const raw = Buffer.concat(raws[member.index] ?? []);
    assert.equal(member.compressedBytes, raw.length);
    assert.equal(
      member.offset,
      members.reduce((sum, { raw: before }) => sum + before.length, 0),
    );
    members.push({ raw, content });
  }
  return members;
}

test("a stream is cut into exactly the members that it was joined from", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 0, max: 9 })), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.integer({ min: 1, max: 5000 }),
      async (parts, chunkBytes) => {
        const members = parts.map(([content, level]) => gzipSync(content, { level }));
        const found = await split(Buffer.concat(members), chunkBytes);
        assert.deepEqual(
          found.map(({ raw }) => raw.toString("hex")),
          members.map((member) => member.toString("hex")),
        );
        assert.deepEqual(
          found.map(({ content }) => content.toString("hex")),
          parts.map(([content]) => Buffer.from(content).toString("hex")),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("members that end exactly at a chunk's end are told apart", async () => {
  const member = gzipSync(Buffer.alloc(5000, "abc"));
  const found = await split(Buffer.concat([member, member, member]), member.length);
  assert.deepEqual(
    found.map(({ raw }) => raw.equals(member)),
    [true, true, true],
  );
});

test("a member of many megabytes is followed by the next one", async () => {
  const large = Buffer.alloc(9_000_000);
  for (let at = 0; at < large.length; at += 4) large.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  const members = [gzipSync(large, { level: 1 }), gzipSync("tail")];
  const found = await split(Buffer.concat(members), 100_000);
  assert.deepEqual(
    found.map(({ raw }) => raw.length),
    members.map(({ length }) => length),
  );
  assert.equal(found[1]?.content.toString(), "tail");
});

test("what is left unread of a member is verified all the same", async () => {
  const damaged = gzipSync(Buffer.alloc(100_000, "x"));
  damaged[damaged.length - 5] = (damaged[damaged.length - 5] ?? 0) ^ 1;
  await assert.rejects(
    async () => {
      for await (const _ of gzipMembers(chunked(Buffer.concat([damaged, gzipSync("y")])), limits));
    },
    { code: "malformed", summary: "The content of a gzip member is not what its trailer says" },
  );
});

test("a header with every optional field is read", async () => {
  const plain = gzipSync("content");
  const header = Buffer.from("1f8b081f00000000ff03", "hex");
  // FTEXT, FHCRC, FEXTRA, FNAME and FCOMMENT are all set, in the order of RFC 1952.
  header[3] = 0x1f;
  const fields = Buffer.concat([
    Buffer.from([3, 0, 1, 2, 3]),
    Buffer.from("name\0comment\0"),
    Buffer.from([0, 0]),
  ]);
  const [member] = await split(Buffer.concat([header, fields, plain.subarray(10)]), 1);
  assert.equal(member?.content.toString(), "content");
});

const good = gzipSync(Buffer.from("some text, some text, some text"));
for (const [what, bytes, code] of [
  ["nothing at all", Buffer.alloc(0), "malformed"],
  ["another magic number", Buffer.from("BZh91AY&SY"), "malformed"],
  ["another method", Buffer.from("1f8b0700000000000003", "hex"), "malformed"],
  ["reserved flags", Buffer.from("1f8b0820000000000003", "hex"), "malformed"],
  ["a header that is cut off", good.subarray(0, 7), "malformed"],
  ["a body that is cut off", good.subarray(0, 20), "malformed"],
  ["a trailer that is cut off", good.subarray(0, -3), "malformed"],
  ["a damaged body", Buffer.concat([good.subarray(0, 10), Buffer.alloc(20, 0xff)]), "malformed"],
  ["garbage behind the last member", Buffer.concat([good, Buffer.from("zz")]), "malformed"],
  ["zeros behind the last member", Buffer.concat([good, Buffer.alloc(512)]), "malformed"],
] as const) {
  test(`a gzip stream with ${what} is refused`, async () => {
    for (const chunkBytes of [1, 2, 65_536]) await assert.rejects(split(bytes, chunkBytes), { code });
  });
}

test("more output, members or expansion than allowed is refused", async () => {
  const bomb = gzipSync(Buffer.alloc(40_000_000), { level: 9 });
  const read = async (options: Parameters<typeof gzipMembers>[1], stream: Uint8Array): Promise<void> => {
    for await (const member of gzipMembers(chunked(stream), options)) await all(member.content);
  };
  await assert.rejects(read({ maxOutputBytes: 1_000_000 }, bomb), { code: "limit-exceeded" });
  await assert.rejects(read({ maxOutputBytes: 2 ** 30, maxRatio: 100 }, bomb), { code: "limit-exceeded" });
  await read({ maxOutputBytes: 2 ** 30 }, bomb);
  await assert.rejects(read({ maxOutputBytes: 100, maxMembers: 2 }, Buffer.concat([good, good, good])), {
    code: "limit-exceeded",
  });
});

test("our own gzip is one member, does not depend on chunks, and says no time", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 20_000 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9000 }),
      async (content, level, chunkBytes) => {
        const whole = gzipBytes(content, level);
        assert.deepEqual(await all(gzip(chunked(content, chunkBytes), level)), Buffer.from(whole));
        const [member, ...more] = await split(whole, 1000);
        assert.ok(member?.content.equals(content) === true && more.length === 0);
        assert.equal(Buffer.from(whole.subarray(4, 8)).readUInt32LE(), 0);
      },
    ),
    { numRuns: 30 },
  );
});

test("gzip itself reads what we write", { skip: unlessInstalled("gzip") }, async () => {
  const content = Buffer.alloc(300_000, "a line of text\n");
  assert.ok(filter("gzip", ["-dc"], await all(gzip(chunked(content, 999)))).equals(content));
  assert.ok(filter("gzip", ["-dc"], gzipBytes(content)).equals(content));
});

const apk = alpineFile("alpine-baselayout-3.2.0-r23.apk");
test("a real apk has a signature, a control part and a data part whose digest the control part states", {
  skip: apk === undefined ? "no Alpine data here" : false,
}, async () => {
  const stream = readFileSync(apk ?? "");
  const [signature, control, data, ...more] = await split(stream, 4096);
  assert.ok(signature !== undefined && control !== undefined && data !== undefined && more.length === 0);
  assert.ok(Buffer.concat([signature.raw, control.raw, data.raw]).equals(stream));
  const stated = /^datahash = ([0-9a-f]{64})$/m.exec(control.content.toString("latin1"))?.[1];
  assert.equal(createHash("sha256").update(data.raw).digest("hex"), stated);
});
