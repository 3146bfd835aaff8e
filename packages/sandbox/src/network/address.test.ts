// Which addresses are understood, and which of them are of the public internet.

import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import { formatIpv4, isPublicAddress, parseIpv4, parseIpv6 } from "./address.ts";

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
    ...[
      "224.0.0.1",
      "255.255.255.255",
      "192.0.2.1",
      "::1",
      "::",
      "fe80::1%eth0",
      "fd00::1",
      "fc00::1",
      "ff02::1",
    ],
    ...[
      "::ffff:10.0.0.1",
      "::ffff:8.8.8.8",
      "64:ff9b::a00:1",
      "2002:a00:1::1",
      "2001::1",
      "2001:db8::1",
      "3fff::1",
      "3fff:fff:ffff::1",
      "",
    ],
    ...["1.1.1", "1.1.1.1.1", "example.org", "256.1.1.1"],
  ];
  for (const address of publicOnes) assert.ok(isPublicAddress(address), address);
  for (const address of others) assert.ok(!isPublicAddress(address), address);
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
  for (const text of [...candidates, ...odd]) assert.equal(parseIpv6(text) !== undefined, isIPv6(text), text);
  for (const text of ["0.0.0.0", "255.255.255.255", "10.0.2.15"])
    assert.equal(formatIpv4(parseIpv4(text) ?? -1), text);
});
