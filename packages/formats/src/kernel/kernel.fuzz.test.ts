// Any bytes are a kernel image, an executable or a module, or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { readExecutable } from "../elf/executable.ts";
import { readModuleInfo } from "../elf/module-info.ts";
import { elfFile, elfNote } from "../testing/elf-files.ts";
import { fuzz } from "../testing/fuzz.ts";
import { embeddedConfig } from "./embedded-config.ts";
import { identifyKernel } from "./identify.ts";
import { extractVmlinux, unwrapKernel } from "./unwrap.ts";

const records = Buffer.from("name=x\0depends=a,b\0softdep=pre: c post: d\0vermagic=6.1.0\0");
const module = elfFile({ type: 1, machine: 62, sections: [{ name: ".modinfo", content: records }] });
const dynamic = Buffer.alloc(48);
[1n, 1n, 5n, 0x1000n].forEach((value, index) => dynamic.writeBigUInt64LE(value, index * 8));
const executable = elfFile({
  type: 2,
  machine: 62,
  segments: [
    { type: 1, address: 0x1000n, content: Buffer.from("\0libc.so.6\0") },
    { type: 2, content: dynamic },
    { type: 3, content: Buffer.from("/lib/ld.so\0") },
    { type: 4, content: elfNote("Xen", 18, Buffer.alloc(8, 1)) },
  ],
});

function bzImage(payload: Uint8Array): Buffer {
  const image = Buffer.alloc(1024);
  image[0x1f1] = 1;
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.write("HdrS", 0x202);
  image.writeUInt16LE(0x020f, 0x206);
  image[0x211] = 1;
  image.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([image, payload]);
}

function zboot(payload: Uint8Array): Buffer {
  const image = Buffer.alloc(128);
  image.write("MZ\0\0zimg", 0);
  image.writeUInt32LE(128, 8);
  image.writeUInt32LE(payload.length, 12);
  image.write("gzip", 24);
  image.writeUInt32LE(0x40, 0x3c);
  image.write("PE\0\0\x64\xaa", 0x40, "latin1");
  return Buffer.concat([image, payload]);
}

const config = Buffer.concat([
  Buffer.from("code that speaks of IKCFG_ST, IKCFG_ST"),
  gzipSync("CONFIG_A=y\n"),
  Buffer.from("IKCFG_ED"),
]);

for (const [what, corpus, run] of [
  ["modules", [module], (input: Uint8Array) => readModuleInfo(input)],
  ["executables", [executable], (input: Uint8Array) => readExecutable(input)],
  [
    "kernel images",
    [executable, bzImage(gzipSync(executable)), zboot(gzipSync(executable)), gzipSync(executable)],
    async (input: Uint8Array) => {
      const inner = await unwrapKernel(input);
      if (identifyKernel(inner).kind === "bzimage") await extractVmlinux(inner);
    },
  ],
  ["kernels' configurations", [config], (input: Uint8Array) => embeddedConfig(input)],
] as const) {
  test(`mutated ${what} are read, or a KelpieError`, async () => {
    const { accepted, refused } = await fuzz({ name: what, corpus, run, runs: 2000 });
    assert.ok(accepted > 20 && refused > 100, `${accepted} accepted, ${refused} refused`);
  });
}
