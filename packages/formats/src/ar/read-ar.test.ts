import fc from "fast-check";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { all, chunked } from "../testing/streams.ts";
import { filter, scratchDirectory, unlessInstalled } from "../testing/tools.ts";
import { type ArLimits, readAr } from "./read-ar.ts";

interface Read {
  readonly name: string;
  readonly content: string;
}

async function read(archive: Uint8Array, chunkBytes = 1, limits: ArLimits = {}): Promise<Read[]> {
  const members: Read[] = [];
  for await (const member of readAr(chunked(archive, chunkBytes), { limits, where: "x.deb" })) {
    const content = (await all(member.content)).toString("latin1");
    const { contentOffset, sizeBytes } = member;
    const place = Buffer.from(archive).subarray(contentOffset, contentOffset + sizeBytes);
    assert.equal(place.toString("latin1"), content);
    members.push({ name: member.name, content });
  }
  return members;
}

function header(name: string, size: string, changes: { time?: string; end?: string } = {}): string {
  const time = (changes.time ?? "0").padEnd(12);
  return `${name.padEnd(16)}${time}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${size.padEnd(10)}${changes.end ?? "`\n"}`;
}
const magic = "!<arch>\n";
const bytes = (...parts: readonly string[]): Buffer => Buffer.from(parts.join(""), "latin1");

test("members come in order, with odd sizes padded and the last padding optional", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          fc.stringMatching(/^[a-z.]{1,15}$/).filter((name) => !/^\.\.?$/.test(name)),
          fc.uint8Array({ maxLength: 99 }),
        ),
        {
          maxLength: 5,
        },
      ),
      fc.integer({ min: 1, max: 70 }),
      fc.boolean(),
      async (parts, chunkBytes, isLastPadded) => {
        const members = parts.map(([name, content]) => ({
          name,
          content: Buffer.from(content).toString("latin1"),
        }));
        let text = magic;
        for (const { name, content } of members) {
          text += header(name, `${content.length}`) + content + (content.length % 2 === 1 ? "\n" : "");
        }
        const isOdd = (members.at(-1)?.content.length ?? 0) % 2 === 1;
        const archive = bytes(isOdd && !isLastPadded ? text.slice(0, -1) : text);
        assert.deepEqual(await read(archive, chunkBytes), members);
      },
    ),
  );
});

test("what GNU ar writes is read", { skip: unlessInstalled("ar") }, async () => {
  using scratch = scratchDirectory();
  const files = { "debian-binary": "2.0\n", "control.tar.xz": "control", "data.tar.xz": "data!" };
  for (const [name, content] of Object.entries(files)) writeFileSync(`${scratch.path}/${name}`, content);
  filter("ar", ["rcSD", "x.deb", ...Object.keys(files)], undefined, scratch.path);
  const archive = filter("cat", ["x.deb"], undefined, scratch.path);
  assert.deepEqual(
    await read(archive),
    Object.entries(files).map(([name, content]) => ({ name, content })),
  );
});

test("what dpkg-deb builds is read", { skip: unlessInstalled("dpkg-deb") }, async () => {
  using scratch = scratchDirectory();
  const control =
    "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n";
  filter("mkdir", ["-p", "p/DEBIAN", "p/usr"], undefined, scratch.path);
  writeFileSync(`${scratch.path}/p/DEBIAN/control`, control);
  filter("dpkg-deb", ["--build", "--root-owner-group", "p", "x.deb"], undefined, scratch.path);
  const members = await read(filter("cat", ["x.deb"], undefined, scratch.path), 64);
  assert.deepEqual(
    members.map(({ name }) => name.replace(/\.tar\..*$/, "")),
    ["debian-binary", "control", "data"],
  );
  assert.equal(members[0]?.content, "2.0\n");
});

for (const [what, archive, code] of [
  ["nothing at all", bytes(""), "malformed"],
  ["another magic number", bytes("!<thin>\n"), "malformed"],
  ["a header that is cut off", bytes(magic, header("a", "0").slice(0, 59)), "malformed"],
  ["a content that is cut off", bytes(magic, header("a", "5"), "1234"), "malformed"],
  ["a header without its end mark", bytes(magic, header("a", "0", { end: "``" })), "malformed"],
  ["no size", bytes(magic, header("a", "")), "malformed"],
  ["a negative size", bytes(magic, header("a", "-1")), "malformed"],
  ["a size in hexadecimal", bytes(magic, header("a", "0x10")), "malformed"],
  ["a time that is no number", bytes(magic, header("a", "0", { time: "now" })), "malformed"],
  ["no name", bytes(magic, header("", "0")), "malformed"],
  ["a name with a control character", bytes(magic, header("a\x07", "0")), "malformed"],
  ["a name that is a path", bytes(magic, header("../a", "0")), "unsafe-path"],
  ["a name that is the parent", bytes(magic, header("../", "0")), "unsafe-path"],
  ["a symbol table", bytes(magic, header("/", "0")), "unsupported"],
  ["a long name of BSD", bytes(magic, header("#1/20", "0")), "unsupported"],
] as const) {
  test(`an ar archive with ${what} is refused`, async () => {
    await assert.rejects(read(archive), { name: "KelpieError", code });
  });
}

test("more members and longer ones than allowed are refused", async () => {
  const archive = bytes(magic, header("a", "4"), "1234", header("b/", "0"));
  assert.deepEqual(await read(archive, 3, { maxMembers: 2, maxMemberBytes: 4 }), [
    { name: "a", content: "1234" },
    { name: "b", content: "" },
  ]);
  await assert.rejects(read(archive, 3, { maxMembers: 1 }), { code: "limit-exceeded" });
  await assert.rejects(read(archive, 3, { maxMemberBytes: 3 }), { code: "limit-exceeded" });
});
