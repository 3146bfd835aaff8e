// Reading .deb files: what dpkg-deb makes, what we cache, and what is refused.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { collect } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import type { ResolvedPackage } from "../package.ts";
import { readUnpacked, unpackDeb } from "./deb-archive.ts";
import type { DebianArchive } from "./repository.ts";
import { compress, controlText, type DebCompression, makeAr, makeDeb, makeTar } from "./testing/make-deb.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-deb-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const lacks = (tool: string): string | false =>
  spawnSync(tool, ["--version"]).error === undefined ? false : `${tool} is not installed`;

function resolved(bytes: Uint8Array, name = "tool", version = "1"): ResolvedPackage {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return {
    ecosystem: "debian",
    name,
    version,
    architecture: "amd64",
    location: "http://x/x.deb",
    sizeBytes: bytes.length,
    digest,
  };
}

let count = 0;
async function unpack(
  bytes: Uint8Array,
  chosen = resolved(bytes),
): Promise<{ readonly archive: DebianArchive; readonly directory: string }> {
  const directory = join(scratch, String(count++));
  mkdirSync(directory);
  const path = join(directory, "x.deb");
  writeFileSync(path, bytes);
  const place = { directory: join(directory, "unpacked"), sha256: chosen.digest.slice(7) };
  return { archive: await unpackDeb(realPlatform, path, place, chosen), directory: place.directory };
}

async function text(archive: DebianArchive, path: string): Promise<string> {
  const node = archive.entries.find((entry) => entry.path === path)?.node;
  assert.ok(node?.kind === "file", path);
  return new TextDecoder().decode(await collect(node.content.open(), 1 << 20));
}

const spec = {
  name: "tool",
  version: "1",
  files: { "usr/bin/tool": "the tool\n", "etc/tool.conf": "a=1\n", "usr/bin/alias": "-> tool" },
  control: {
    postinst: "#!/bin/sh\n",
    conffiles: "/etc/tool.conf\nremove-on-upgrade /etc/old\n",
    md5sums: "",
  },
};

for (const compression of ["", ".gz", ".zst", ".xz"] satisfies DebCompression[]) {
  test(`a package with members in tar${compression} is read whole`, {
    skip: compression === ".xz" && lacks("xz"),
  }, async () => {
    const { bytes } = await makeDeb({ ...spec, compression });
    const { archive } = await unpack(bytes);
    assert.equal(archive.control.get("Package"), "tool");
    assert.deepEqual(archive.configurationFiles, ["etc/tool.conf"]);
    assert.deepEqual([...archive.scripts], [["postinst", "#!/bin/sh\n"]]);
    assert.deepEqual([...archive.controlFiles.keys()].sort(), ["conffiles", "md5sums", "postinst"]);
    assert.equal(await text(archive, "usr/bin/tool"), "the tool\n");
    assert.equal(await text(archive, "etc/tool.conf"), "a=1\n");
  });
}

for (const kind of ["gzip", "xz", "zstd", "none"]) {
  test(`what dpkg-deb builds with ${kind} is read as dpkg-deb itself lists it`, {
    skip: lacks("dpkg-deb") || lacks("tar"),
  }, async () => {
    const root = join(scratch, `built-${kind}`);
    mkdirSync(join(root, "DEBIAN"), { recursive: true });
    mkdirSync(join(root, "usr/share/tool"), { recursive: true });
    writeFileSync(join(root, "DEBIAN/control"), controlText(spec));
    writeFileSync(join(root, "usr/share/tool", "n".repeat(120)), "long name\n");
    writeFileSync(join(root, "usr/share/tool/data"), Buffer.alloc(100_000, kind));
    const path = join(scratch, `${kind}.deb`);
    execFileSync("dpkg-deb", ["--root-owner-group", `-Z${kind}`, "-b", root, path]);
    const { archive } = await unpack(readFileSync(path));
    const listing = execFileSync("tar", ["t"], {
      input: execFileSync("dpkg-deb", ["--fsys-tarfile", path]),
      encoding: "utf8",
    });
    const expected = listing
      .trim()
      .split("\n")
      .map((name) => name.replace(/^\.\//, "").replace(/\/$/, ""));
    assert.deepEqual(
      archive.entries.map((entry) => entry.path),
      expected,
    );
    assert.ok(archive.entries.every(({ node }) => node.uid === 0 && node.gid === 0));
    assert.equal((await text(archive, "usr/share/tool/data")).length, 100_000);
  });
}

test("an unpacked package is read again without its .deb", async () => {
  const { bytes } = await makeDeb(spec);
  const { archive, directory } = await unpack(bytes);
  const again = await readUnpacked(
    realPlatform,
    { directory, sha256: archive.package.digest.slice(7) },
    archive.package,
  );
  assert.ok(again !== undefined);
  assert.deepEqual(
    again.entries.map(({ path }) => path),
    archive.entries.map(({ path }) => path),
  );
  assert.deepEqual(again.controlFiles, archive.controlFiles);
  assert.equal(await text(again, "usr/bin/tool"), "the tool\n");
});

test("a cache that was damaged is not believed", async () => {
  const { bytes } = await makeDeb(spec);
  const { archive, directory } = await unpack(bytes);
  const place = { directory, sha256: archive.package.digest.slice(7) };
  const tar = join(directory, `${place.sha256}.tar`);
  const whole = readFileSync(tar);
  writeFileSync(tar, Buffer.from(whole.toString("latin1").replace("the tool", "the fool"), "latin1"));
  assert.equal(await readUnpacked(realPlatform, place, archive.package), undefined);
  writeFileSync(tar, whole.subarray(512));
  assert.equal(await readUnpacked(realPlatform, place, archive.package), undefined);
  writeFileSync(tar, whole);
  writeFileSync(join(directory, `${place.sha256}.json`), "{");
  assert.equal(await readUnpacked(realPlatform, place, archive.package), undefined);
});

test("a package that calls itself something else than its index did is refused", async () => {
  const { bytes } = await makeDeb(spec);
  await assert.rejects(unpack(bytes, resolved(bytes, "tool", "2")), { code: "digest-mismatch" });
  await assert.rejects(unpack(bytes, resolved(bytes, "other")), { code: "digest-mismatch" });
  const foreign = await makeDeb({ ...spec, architecture: "arm64" });
  await assert.rejects(unpack(foreign.bytes), { code: "digest-mismatch" });
});

test("archives that are no packages are refused, and nothing of them stays in the cache", async () => {
  const binary = ["debian-binary", Buffer.from("2.0\n")] as const;
  const control = ["control.tar", await makeTar({ control: controlText(spec) })] as const;
  const data = ["data.tar.gz", compress(await makeTar({ a: "1" }), ".gz")] as const;
  const whole = makeAr([binary, control, data]);
  const cases: readonly (readonly [what: string, bytes: Uint8Array, code: string])[] = [
    ["nothing", new Uint8Array(), "malformed"],
    ["another archive", Buffer.from("PK\x03\x04 and more of it than a header has"), "malformed"],
    ["no version", makeAr([control, data]), "malformed"],
    ["version 3", makeAr([["debian-binary", Buffer.from("3.0\n")], control, data]), "malformed"],
    ["no control part", makeAr([binary, data]), "malformed"],
    ["no data part", makeAr([binary, control]), "malformed"],
    ["the parts exchanged", makeAr([binary, data, control]), "malformed"],
    [
      "a compression of long ago",
      makeAr([binary, control, ["data.tar.bz2", Buffer.from("BZh9")]]),
      "malformed",
    ],
    ["no control file", makeAr([binary, ["control.tar", await makeTar({ md5sums: "" })], data]), "malformed"],
    [
      "a control file in a directory",
      makeAr([binary, ["control.tar", await makeTar({ "a/control": "" })], data]),
      "malformed",
    ],
    ["a cut end", whole.subarray(0, whole.length - 40), "malformed"],
    ["a changed byte", whole.map((byte, at) => (at === whole.length - 12 ? byte ^ 0xff : byte)), "malformed"],
  ];
  for (const [what, bytes, code] of cases) {
    await assert.rejects(unpack(bytes), { code }, what);
    const left = readdirSync(scratch, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.startsWith(`${count - 1}/unpacked/`),
    );
    assert.deepEqual(left, [], what);
  }
  assert.equal((await unpack(whole)).archive.entries.length, 1);
});

test("members that begin with an underscore are for others", async () => {
  const { bytes } = await makeDeb(spec);
  const extra = makeAr([["_gpgbuilder", Buffer.from("x")]]).subarray(8);
  const at = 8 + 60 + 4;
  const { archive } = await unpack(Buffer.concat([bytes.subarray(0, at), extra, bytes.subarray(at)]));
  assert.equal(archive.control.get("Package"), "tool");
});
