import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { elfFile } from "../testing/elf-files.ts";
import { filter, unlessInstalled } from "../testing/tools.ts";
import { readExecutable } from "./executable.ts";
import { readModuleInfo } from "./module-info.ts";

function module(records: readonly string[], machine = 62): Buffer {
  const content = Buffer.from(records.map((record) => `${record}\0`).join(""), "latin1");
  const text = { name: ".text", content: Buffer.alloc(7) };
  return elfFile({ type: 1, machine, sections: [text, { name: ".modinfo", content }] });
}

test("a module tells its dependencies, hard and soft", () => {
  for (const machine of [62, 183]) {
    const info = readModuleInfo(
      module(
        [
          "license=GPL",
          "alias=fs-ext4",
          "alias=ext3",
          "softdep=pre: crc32c  post: a b",
          "softdep=pre: c",
          "depends=jbd2,mbcache,crc16",
          "intree=Y",
          "name=ext4",
          "vermagic=6.1.0-56-cloud-amd64 SMP preempt mod_unload modversions ",
        ],
        machine,
      ),
    );
    assert.deepEqual(info.depends, ["jbd2", "mbcache", "crc16"]);
    assert.deepEqual(info.softdeps, { pre: ["crc32c", "c"], post: ["a", "b"] });
    assert.deepEqual(info.aliases, ["fs-ext4", "ext3"]);
    assert.equal(info.name, "ext4");
    assert.match(info.vermagic ?? "", /^6\.1\.0-56-cloud-amd64 /);
    assert.deepEqual(info.records[6], ["intree", "Y"]);
  }
});

test("a module that depends on nothing says so, padding between records does no harm", () => {
  const info = readModuleInfo(module(["depends=", "", "", "name=x", "parm=a=b:text"]));
  assert.deepEqual(info.depends, []);
  assert.deepEqual(info.records[2], ["parm", "a=b:text"]);
});

test("what is no module of ours is refused", () => {
  const good = module(["name=x"]);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy[at] = value;
    return copy;
  };
  for (const [bytes, code] of [
    [Buffer.alloc(0), "malformed"],
    [Buffer.from("not ELF at all"), "malformed"],
    [good.subarray(0, 63), "malformed"],
    [good.subarray(0, -1), "malformed"],
    [changed(4, 1), "unsupported"], // 32-bit
    [changed(5, 2), "unsupported"], // big-endian
    [changed(16, 2), "unsupported"], // an executable
    [changed(58, 63), "malformed"], // section headers of another size
    [changed(45, 0xff), "malformed"], // section headers beyond the file
    [elfFile({ type: 1, machine: 62, sections: [{ name: ".text", content: Buffer.alloc(1) }] }), "malformed"],
    [module(["no equals sign"]), "malformed"],
    [module([`x=${"y".repeat(2 ** 20)}`]), "limit-exceeded"],
  ] as const) {
    assert.throws(() => readModuleInfo(bytes, "x.ko"), { name: "KelpieError", code });
  }
});

test("a static executable needs nothing", () => {
  const info = readExecutable(
    elfFile({ type: 2, machine: 183, segments: [{ type: 1, content: Buffer.alloc(8) }] }),
  );
  assert.deepEqual(info, { architecture: "arm64", interpreter: undefined, needed: [], isStatic: true });
});

test("an executable's loader and libraries are found", () => {
  const strings = Buffer.from("\0libc.so.6\0libm.so.6\0");
  const dynamic = Buffer.alloc(16 * 4);
  [1n, 11n, 1n, 1n, 5n, 0x1000n, 0n, 0n].forEach((value, index) =>
    dynamic.writeBigUInt64LE(value, index * 8),
  );
  const file = elfFile({
    type: 3,
    machine: 62,
    segments: [
      { type: 3, content: Buffer.from("/lib/ld.so\0") },
      { type: 1, address: 0x1000n, content: strings },
      { type: 2, content: dynamic },
    ],
  });
  assert.deepEqual(readExecutable(file), {
    architecture: "amd64",
    interpreter: "/lib/ld.so",
    needed: ["libm.so.6", "libc.so.6"],
    isStatic: false,
  });
  const unnamed = elfFile({ type: 3, machine: 62, segments: [{ type: 2, content: dynamic }] });
  assert.throws(() => readExecutable(unnamed), { code: "malformed" });
  assert.throws(() => readExecutable(elfFile({ type: 2, machine: 8 })), { code: "unsupported" });
  assert.throws(() => readExecutable(module(["name=x"])), { code: "unsupported" });
});

test("readelf sees the same loader and libraries in real executables", {
  skip: unlessInstalled("readelf"),
}, () => {
  for (const path of ["/bin/ls", process.execPath]) {
    const info = readExecutable(readFileSync(path));
    const dump = filter("readelf", ["-ld", path]).toString();
    assert.equal(info.interpreter, /program interpreter: (.*)\]/.exec(dump)?.[1]);
    assert.deepEqual(
      info.needed,
      [...dump.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
    );
  }
});
