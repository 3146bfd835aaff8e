// Which addresses are understood, and which of them are of the public internet.

import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatAddress,
  type IpAddress,
  isConnectable,
  isInRange,
  isNothingPublic,
  isPublicAddress,
  parseAddress,
  parseRange,
} from "./address.ts";

const addressOf = (text: string): IpAddress => {
  const address = parseAddress(text);
  assert.ok(address !== undefined, text);
  return address;
};

test("an address is public where IANA says that it is globally reachable", () => {
  const publicOnes = [
    "1.1.1.1",
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
  ];
  const others = [
    ...[
      "127.0.0.1",
      "10.1.2.3",
      "172.16.0.1",
      "192.168.1.1",
      "169.254.169.254",
      "100.64.0.1",
      "0.0.0.0",
      "198.18.0.1",
    ],
    ...["224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fd00::1", "fc00::1", "ff02::1"],
    ...[
      "::ffff:10.0.0.1",
      "::ffff:8.8.8.8",
      "64:ff9b::a00:1",
      "2002:a00:1::1",
      "2001::1",
      "2001:db8::1",
      "3fff::1",
      "3fff:fff:ffff::1",
      "64:ff9b::a9fe:a9fe",
      "64:ff9b:1::808:808",
      "fd00:ec2::254",
    ],
  ];
  for (const address of publicOnes) assert.ok(isPublicAddress(addressOf(address)), address);
  for (const address of others) assert.ok(!isPublicAddress(addressOf(address)), address);
});

test("IPv6 addresses are told from what is none as Node tells them", () => {
  const candidates = [
    "::",
    "::1",
    "1::",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7",
    "1::2::3",
    "::1.2.3.4",
    "1:2:3:4:5:6:7:8:9",
  ];
  const odd = [
    "1:2:3:4:5:6:1.2.3.4",
    "::ffff:1.2.3.256",
    "12345::",
    ":1",
    "1:",
    "g::",
    "1:2:3:4:5:6:7::",
    "::1:2:3:4:5:6:7:8",
  ];
  for (const text of [...candidates, ...odd, "fe80::1%1x"])
    assert.equal(parseAddress(text) !== undefined, isIPv6(text) && !text.includes("%"), text);
  for (const text of ["1.1.1", "1.1.1.1.1", "example.org", "256.1.1.1", ""])
    assert.equal(parseAddress(text), undefined, text);
});

test("an address is written as RFC 5952 has it, and read again as it was", () => {
  for (const text of [
    ...["0.0.0.0", "255.255.255.255", "10.0.2.15", "::", "::1", "1::", "2001:db8::1", "fe80::1:0:0:1"],
    ...["2001:db8:0:1:1:1:1:1", "2001:0:0:1::1", "1:2:3:4:5:6:7:8", "::2:3:4:5:6:7", "2001:db8::f00:0:0:1"],
  ])
    assert.equal(formatAddress(addressOf(text)), text);
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc
      .array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 })
      .map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(address, (bytes) => {
      const text = formatAddress(bytes);
      assert.deepEqual(addressOf(text), bytes);
      if (bytes.length === 16 && !text.startsWith("::ffff:"))
        assert.equal(new URL(`http://[${text}]/`).host, `[${text}]`);
    }),
    { numRuns: 3000 },
  );
});

test("a range has what begins as it does, of its own family", () => {
  for (const [range, inside, outside] of [
    ["10.0.0.0/8", "10.255.1.2", "11.0.0.0"],
    ["10.0.0.0/9", "10.127.1.2", "10.128.0.0"],
    ["0.0.0.0/0", "1.2.3.4", "::1.2.3.4"],
    ["2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"],
    ["::/0", "fe80::1", "1.2.3.4"],
    ["::1", "::1", "::2"],
  ] as const) {
    const parsed = parseRange(range);
    assert.ok(parsed !== undefined && isInRange(addressOf(inside), parsed), `${inside} in ${range}`);
    assert.ok(!isInRange(addressOf(outside), parsed), `${outside} not in ${range}`);
  }
  for (const bad of ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "a/8"])
    assert.equal(parseRange(bad), undefined, bad);
});

test("a range is told apart that has nothing public, and an address that means nothing elsewhere", () => {
  const isNothing = (text: string): boolean => {
    const range = parseRange(text);
    assert.ok(range !== undefined, text);
    return isNothingPublic(range);
  };
  for (const text of [
    "127.0.0.1",
    "10.0.0.0/8",
    "192.168.0.0/24",
    "::1",
    "fd00::/8",
    "fc00::/7",
    "2001:db8::/32",
  ])
    assert.ok(isNothing(text), text);
  for (const text of [
    "0.0.0.0/0",
    "10.0.0.0/7",
    "1.1.1.1",
    "::/0",
    "::/2",
    "2000::/3",
    "2600::/8",
    "2001::/16",
  ])
    assert.ok(!isNothing(text), text);
  for (const text of [
    "fe80::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "224.0.0.251",
    "ff02::fb",
    "255.255.255.255",
  ])
    assert.ok(!isConnectable(addressOf(text)), text);
  for (const text of ["1.1.1.1", "127.0.0.1", "::1", "2001:db8::1", "64:ff9b::808:808"])
    assert.ok(isConnectable(addressOf(text)), text);
});
