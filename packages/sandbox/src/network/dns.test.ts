// Questions to the name server, and its answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dnsResponse, parseDnsQuery } from "./dns.ts";

const bytes = Buffer.from("123401000001000000000000034e696b0465676773036f72670000010001", "hex");

test("a name server's question is read, and its answers have the form of RFC 1035", () => {
  const query = parseDnsQuery(bytes);
  assert.ok(query !== undefined);
  assert.deepEqual([query.name, query.type, query.id], ["nik.eggs.org", 1, 0x1234]);
  const answer = Buffer.from(
    dnsResponse(query, { kind: "address", address: Uint8Array.of(198, 18, 0, 1) }),
  ).toString("hex");
  assert.equal(
    answer,
    "123481800001000100000000034e696b0465676773036f72670000010001c00c000100010000003c0004c6120001",
  );
  const six = new Uint8Array(16).fill(0xfd, 0, 1).fill(1, 15);
  assert.equal(
    Buffer.from(dnsResponse(query, { kind: "address", address: six })).toString("hex"),
    "123481800001000100000000034e696b0465676773036f72670000010001c00c001c00010000003c0010fd000000000000000000000000000001",
  );
  assert.match(
    Buffer.from(dnsResponse(query, { kind: "no-such-name" })).toString("hex"),
    /^123481830001000000000000/,
  );
  // An answer, two questions, a pointer, and a name without end.
  for (const bad of [
    "123481000001",
    "123401000002",
    "123401000001000000000000c00c00010001",
    "1234010000010000000000003f61",
  ]) {
    assert.equal(parseDnsQuery(Buffer.from(bad.padEnd(24, "0"), "hex")), undefined, bad);
  }
});

test("a question that was changed or cut off never throws, and its answer fits into a datagram", () => {
  const changed = fc.record({ length: fc.nat(bytes.length), at: fc.nat(bytes.length), byte: fc.nat(255) });
  let understood = 0;
  fc.assert(
    fc.property(changed, ({ length, at, byte }) => {
      const question = Buffer.from(bytes.subarray(0, length));
      if (at < length) question[at] = byte;
      const query = parseDnsQuery(question);
      if (query === undefined) return;
      understood++;
      assert.ok(dnsResponse(query, { kind: "address", address: new Uint8Array(16) }).length <= 512);
    }),
    { numRuns: 5000 },
  );
  assert.ok(understood > 0);
});
