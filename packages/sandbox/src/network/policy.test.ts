// What a person writes after `--net`, and what it allows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import {
  formatRule,
  isAddressAllowed,
  isNameAllowed,
  parseNetworkMode,
  reachableAddresses,
} from "./policy.ts";

const isUsage = (error: unknown): boolean => KelpieError.is(error) && error.code === "usage";
const rulesOf = (text: string) => {
  const mode = parseNetworkMode(`allow=${text}`);
  return mode.kind === "allow" ? mode.rules : [];
};

test("rules are names, names below one, addresses and ranges, with the web's ports unless one is named", () => {
  assert.deepEqual(parseNetworkMode("none"), { kind: "none" });
  assert.deepEqual(rulesOf("Example.ORG.,*.a.b:8443,10.0.0.0/8:5432").map(formatRule), [
    "example.org",
    "*.a.b:8443",
    "10.0.0.0/8:5432",
  ]);
  for (const bad of [
    "",
    "allow=",
    "allow=a:0",
    "allow=a:65536",
    "allow=http://a",
    "allow=a..b",
    "allow=good.org,a b",
    "allow=[::1]:80",
    "allow=1.2.3",
    "allow=*",
    "allow=-a",
    "open",
  ]) {
    assert.throws(() => parseNetworkMode(bad), isUsage, bad);
  }
  const refused = (error: unknown): boolean =>
    isUsage(error) && /a name such as example\.org.*found "nosuch\.\.name"/.test(String(error));
  assert.throws(() => parseNetworkMode("allow=nosuch..name"), refused);
});

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
    assert.equal(isNameAllowed(rules, name, port), allowed, `${name}:${port}`);
});

test("an allowed name leads to private addresses only where those are allowed themselves", () => {
  const addresses = ["10.0.0.1", "93.184.216.34", "127.0.0.1", "::1"];
  assert.deepEqual(reachableAddresses(rulesOf("a.org"), addresses, 443), ["93.184.216.34"]);
  assert.deepEqual(reachableAddresses(rulesOf("a.org,10.0.0.0/24:443"), addresses, 443), [
    "10.0.0.1",
    "93.184.216.34",
  ]);
  assert.ok(isAddressAllowed(rulesOf("1.2.3.4"), "1.2.3.4", 80));
  assert.ok(!isAddressAllowed(rulesOf("1.2.3.4"), "1.2.3.5", 80));
});
