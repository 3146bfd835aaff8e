// What a person writes after `--net`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { formatEndpoint, formatRule, parseNetworkMode, parseRule } from "./rules.ts";

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
    "allow=[::1",
    "allow=::1",
    "allow=2001:db8::1:443",
    "allow=[1.2.3.4]",
    "allow=[a.org]:80",
    "allow=[fe80::1]:80",
    "allow=[fe80::1%eth0]:80",
    "allow=[::ffff:127.0.0.1]:80",
    "allow=[2001:db8::/129]",
    "allow=224.0.0.251:5353/udp",
    "allow=[ff02::fb]:5353/udp",
    "allow=a.org/udp",
    "allow=a.org:53/sctp",
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

test("a rule is for TCP unless it says otherwise, and IPv6 is in brackets; each is written as it was read", () => {
  const texts = [
    ...["example.org", "*.a.b:8443", "10.0.0.0/8:5432", "1.2.3.4", "0.0.0.0/0", "host.internal:8080"],
    ...["ntp.example:123/udp", "8.8.8.8:53/udp", "10.0.0.0/8:53/udp", "[2001:db8::1]:443", "[2001:db8::/32]"],
    ...["[::/0]:443/udp", "[::1]:8080", "[64:ff9b::]:80"],
  ];
  for (const text of texts) {
    assert.equal(formatRule(parseRule(text)), text);
    assert.deepEqual(parseRule(formatRule(parseRule(text))), parseRule(text));
  }
  assert.equal(formatRule(parseRule("A.Org:80/TCP")), "a.org:80");
  assert.equal(parseRule("a.org:53/udp").transport, "udp");
  assert.throws(() => parseRule("2001:db8::1"), /in brackets: \[2001:db8::1\]/);
  assert.throws(() => parseRule("a.org/udp"), /a port before \/udp: a\.org:443\/udp/);
  assert.equal(formatEndpoint("::1", 80), "[::1]:80");
  assert.equal(formatEndpoint("127.0.0.1", 80), "127.0.0.1:80");
});
