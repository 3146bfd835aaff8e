import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c, crc32cUpdate } from "./crc32c.ts";

const vectors: readonly (readonly [string, Uint8Array, number])[] = [
  ["nothing", new Uint8Array(0), 0],
  ["the usual check string", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 zeros (RFC 3720)", new Uint8Array(32), 0x8a9136aa],
  ["32 ones (RFC 3720)", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 ascending bytes (RFC 3720)", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["32 descending bytes (RFC 3720)", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
];

for (const [name, bytes, expected] of vectors) {
  test(`CRC-32C of ${name} is 0x${expected.toString(16)}`, () => {
    assert.equal(crc32c(bytes), expected);
  });
}

test("a checksum carried over parts is that of the whole, wherever the parts begin", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
      const at = Math.min(cut, bytes.length);
      const whole = crc32cUpdate(0xffffffff, bytes);
      assert.equal(crc32cUpdate(crc32cUpdate(0xffffffff, bytes, 0, at), bytes, at), whole);
      assert.equal(~whole >>> 0, bitwise(bytes));
    }),
  );
});

/** The definition, a bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0x82f63b78);
  }
  return ~crc >>> 0;
}
