// What the rules of `--net allow=` allow.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type IpAddress, parseAddress } from "./address.ts";
import { isAddressAllowed, isNameAllowed, reachableAddresses, type Target } from "./policy.ts";
import { parseNetworkMode } from "./rules.ts";

const rulesOf = (text: string) => {
  const mode = parseNetworkMode(`allow=${text}`);
  return mode.kind === "allow" ? mode.rules : [];
};

const tcp = (port: number): Target => ({ transport: "tcp", port });
const udp = (port: number): Target => ({ transport: "udp", port });
const addressOf = (text: string): IpAddress => parseAddress(text) ?? assert.fail(text);

test("a name is allowed at its ports, and what is below it only where a rule says so", () => {
  const rules = rulesOf("example.org,*.wild.org:22");
  const decisions: readonly (readonly [name: string, port: number, allowed: boolean])[] = [
    ["example.org", 443, true],
    ["example.org", 80, true],
    ["example.org", 22, false],
    ["www.example.org", 443, false],
    ["notexample.org", 443, false],
    ["wild.org", 22, false],
    ["a.wild.org", 22, true],
    ["a.b.wild.org", 22, true],
    ["a.wild.org", 443, false],
    ["awild.org", 22, false],
  ];
  for (const [name, port, allowed] of decisions)
    assert.equal(isNameAllowed(rules, name, tcp(port)), allowed, `${name}:${port}`);
});

test("an allowed name leads to private addresses only where those are allowed themselves", () => {
  const addresses = ["10.0.0.1", "93.184.216.34", "127.0.0.1", "::1"];
  assert.deepEqual(reachableAddresses(rulesOf("a.org"), addresses, tcp(443)), ["93.184.216.34"]);
  assert.deepEqual(reachableAddresses(rulesOf("a.org,10.0.0.0/24:443"), addresses, tcp(443)), [
    "10.0.0.1",
    "93.184.216.34",
  ]);
  assert.ok(isAddressAllowed(rulesOf("1.2.3.4"), addressOf("1.2.3.4"), tcp(80)));
  assert.ok(!isAddressAllowed(rulesOf("1.2.3.4"), addressOf("1.2.3.5"), tcp(80)));
});

test("what is allowed by TCP is not by UDP, nor the other way about", () => {
  const rules = rulesOf("a.org:53,b.org:53/udp,[2001:db8::1]:53/udp");
  assert.ok(isNameAllowed(rules, "a.org", tcp(53)) && !isNameAllowed(rules, "a.org", udp(53)));
  assert.ok(isNameAllowed(rules, "b.org", udp(53)) && !isNameAllowed(rules, "b.org", tcp(53)));
  assert.ok(isAddressAllowed(rules, addressOf("2001:db8::1"), udp(53)));
  assert.ok(!isAddressAllowed(rules, addressOf("2001:db8::1"), tcp(53)));
});

test("a name that is made to lead to the host, its neighbours or its cloud's metadata leads nowhere", () => {
  const traps = [
    ...["127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "0.0.0.0", "100.100.100.200"],
    ...[
      "::1",
      "::",
      "fe80::1",
      "fe80::1%eth0",
      "fd00:ec2::254",
      "::ffff:127.0.0.1",
      "::ffff:8.8.8.8",
      "::127.0.0.1",
    ],
    ...["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "ff02::1", "224.0.0.1"],
  ];
  // Whoever means the whole internet means no more than it.
  for (const rules of [rulesOf("a.org"), rulesOf("a.org,0.0.0.0/0:443,[::/0]:443,[64:ff9b::808:808]:443")])
    for (const trap of traps) assert.deepEqual(reachableAddresses(rules, [trap], tcp(443)), [], trap);
  const named: readonly (readonly [rule: string, address: string])[] = [
    ["127.0.0.1:443", "127.0.0.1"],
    ["169.254.169.254:443", "169.254.169.254"],
    ["[::1]:443", "::1"],
    ["[fd00:ec2::254]:443", "fd00:ec2::254"],
    ["[fd00::/8]:443", "fd00:ec2::254"],
    ["[64:ff9b::/96]:443", "64:ff9b::7f00:1"],
  ];
  for (const [rule, address] of named)
    assert.deepEqual(reachableAddresses(rulesOf(`a.org,${rule}`), [address], tcp(443)), [address], rule);
  // However it is written: there is nothing behind these.
  for (const never of ["fe80::1", "::ffff:127.0.0.1", "ff02::1"])
    assert.ok(!isAddressAllowed(rulesOf("[::/0]:443,0.0.0.0/0:443"), addressOf(never), tcp(443)), never);
  assert.ok(isAddressAllowed(rulesOf("0.0.0.0/0"), addressOf("8.8.8.8"), tcp(443)));
  assert.ok(isAddressAllowed(rulesOf("[::/0]"), addressOf("2606:4700::1111"), tcp(443)));
  assert.ok(!isAddressAllowed(rulesOf("0.0.0.0/0"), addressOf("2606:4700::1111"), tcp(443)));
});
