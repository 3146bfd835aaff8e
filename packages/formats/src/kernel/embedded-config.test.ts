import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { KelpieError } from "@kelpie/platform";
import { embeddedConfig } from "./embedded-config.ts";

const config = "CONFIG_A=y\n# CONFIG_B is not set\n";
const kernel = Buffer.concat([
  Buffer.from("code that speaks of IKCFG_ST and goes on"),
  Buffer.from("IKCFG_ST"),
  gzipSync(config),
  Buffer.from("IKCFG_EDmore code"),
]);

test("the configuration is found between its marks, wherever else they are spoken of", async () => {
  assert.equal(await embeddedConfig(kernel), config);
});

test("a kernel without one says nothing", async () => {
  for (const bytes of ["", "code", "IKCFG_ST", "IKCFG_ST\x1f\x8b", "IKCFG_STtextIKCFG_ED"])
    assert.equal(await embeddedConfig(Buffer.from(bytes, "latin1")), undefined);
});

test("a kernel that is full of marks is looked through once", { timeout: 60_000 }, async () => {
  const marks = Buffer.alloc(16 << 20, "IKCFG_ST");
  assert.equal(await embeddedConfig(Buffer.concat([marks, Buffer.from("IKCFG_ED")])), undefined);
});

test("one that is broken or too large is refused", async () => {
  const around = (packed: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from("IKCFG_ST"), packed, Buffer.from("IKCFG_ED")]);
  const codes = ["malformed", "limit-exceeded"];
  for (const packed of [gzipSync(config).subarray(0, -9), gzipSync(Buffer.alloc(3 << 20))])
    await assert.rejects(
      embeddedConfig(around(packed)),
      (error) => KelpieError.is(error) && codes.includes(error.code),
    );
});
