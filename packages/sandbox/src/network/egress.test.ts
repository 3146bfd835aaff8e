// What a guest asks of the network: what is decided, what is done, and what stands in the log.

import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type IpAddress, parseAddress } from "./address.ts";
import { ConnectionLog } from "./connection-log.ts";
import type { DnsQuery } from "./dns.ts";
import { Egress } from "./egress.ts";
import { gatewayAddress, gatewayAddress6, nameAddresses } from "./plan.ts";
import { parseNetworkMode } from "./rules.ts";

const never = new AbortController().signal;
const rulesOf = (text: string) => {
  const mode = parseNetworkMode(`allow=${text}`);
  return mode.kind === "allow" ? mode.rules : [];
};

const addressOf = (text: string): IpAddress => parseAddress(text) ?? assert.fail(text);
const { ipv4, ipv6 } = nameAddresses(1);

async function withEgress(
  rules: string,
  names: Readonly<Record<string, readonly string[] | Promise<never>>>,
  use: (egress: Egress, asked: string[], log: () => Promise<unknown[]>) => Promise<void>,
): Promise<void> {
  const { files, clock } = realPlatform;
  await using home = await files.temporaryDirectory("kelpie-egress-");
  const path = `${home.path}/log`;
  const asked: string[] = [];
  const log = await ConnectionLog.open(realPlatform, path);
  const network = {
    resolveName: (name: string) => {
      asked.push(name);
      return Promise.resolve(names[name] ?? []);
    },
    connectTcp: (address: string, port: number) => {
      asked.push(`${address}:${port}`);
      return address === "9.9.9.9"
        ? Promise.reject(new KelpieError("unreachable", "no"))
        : Promise.resolve(duplexPair()[0]);
    },
    connectUdp: (address: string, port: number) => {
      asked.push(`${address}:${port}/udp`);
      return Promise.resolve({ send: () => undefined, listen: () => undefined, close: () => undefined });
    },
  };
  const egress = new Egress({ clock, network, rules: rulesOf(rules), log });
  await use(egress, asked, async () => {
    await log[Symbol.asyncDispose]();
    const text = Buffer.from(await files.readFile(path, 1 << 20)).toString();
    return text
      .trim()
      .split("\n")
      .map((line) => {
        const { time, ...event } = JSON.parse(line) as Record<string, unknown>;
        assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
        return event;
      });
  });
}
const question = (name: string, type = 1): DnsQuery => ({
  id: 1,
  recursion: true,
  name,
  type,
  question: new Uint8Array(0),
});

test("a name that no rule knows never leaves the host, and is told once", async () => {
  await withEgress("a.org", {}, async (egress, asked, log) => {
    for (let count = 0; count < 3; count += 1)
      assert.deepEqual(await egress.answer(question("secret.evil.org"), never), { kind: "no-such-name" });
    assert.deepEqual(asked, []);
    assert.deepEqual(await log(), [{ event: "name-denied", host: "secret.evil.org" }]);
  });
});

test("a name has an address of its own inside, and is looked up anew for each connection", async () => {
  const names: Record<string, readonly string[]> = { "a.org": ["1.1.1.1", "2606:4700::1"] };
  await withEgress("a.org:7", names, async (egress, asked, log) => {
    assert.deepEqual(await egress.answer(question("a.org"), never), {
      kind: "address",
      address: ipv4,
    });
    assert.deepEqual(await egress.answer(question("a.org", 28), never), {
      kind: "address",
      address: ipv6,
    });
    assert.deepEqual(await egress.answer(question("a.org", 15), never), { kind: "empty" });
    assert.ok((await egress.connectTcp(ipv4, 7, never)) !== undefined);
    assert.equal(await egress.connectTcp(ipv4, 8, never), undefined);
    names["a.org"] = ["127.0.0.1", "10.0.0.1"];
    assert.equal(await egress.connectTcp(ipv4, 7, never), undefined);
    names["a.org"] = ["9.9.9.9", "1.1.1.2"];
    assert.ok((await egress.connectTcp(ipv4, 7, never)) !== undefined, "the second address");
    assert.deepEqual(
      asked.filter((what) => what.includes(":")),
      ["1.1.1.1:7", "9.9.9.9:7", "1.1.1.2:7"],
    );
    assert.deepEqual(await log(), [
      { event: "connected", id: 1, host: "a.org", port: 7, address: "1.1.1.1" },
      { event: "denied", host: "a.org", port: 8, reason: "not-allowed" },
      { event: "denied", host: "a.org", port: 7, reason: "private-address" },
      { event: "connected", id: 2, host: "a.org", port: 7, address: "1.1.1.2" },
    ]);
  });
});

test("the host's loopback is reached by its own name alone, and bare addresses only by a rule", async () => {
  await withEgress("host.internal:9,1.2.3.4:5", {}, async (egress, asked, log) => {
    assert.deepEqual(await egress.answer(question("host.internal"), never), {
      kind: "address",
      address: gatewayAddress,
    });
    assert.ok((await egress.connectTcp(gatewayAddress, 9, never)) !== undefined);
    assert.equal(await egress.connectTcp(gatewayAddress, 10, never), undefined);
    assert.ok((await egress.connectTcp(addressOf("1.2.3.4"), 5, never)) !== undefined);
    assert.equal(await egress.connectTcp(addressOf("1.2.3.5"), 5, never), undefined);
    assert.deepEqual(asked, ["127.0.0.1:9", "1.2.3.4:5"]);
    assert.equal((await log()).length, 4);
  });
});

test("a name that has only an IPv6 address is reached by either of its addresses inside", async () => {
  const names = { "six.org": ["2606:4700::1"] };
  await withEgress("six.org:7,six.org:123/udp", names, async (egress, asked, log) => {
    for (const type of [1, 28])
      assert.equal((await egress.answer(question("six.org", type), never)).kind, "address");
    assert.ok((await egress.connectTcp(ipv4, 7, never)) !== undefined);
    assert.ok((await egress.connectTcp(ipv6, 7, never)) !== undefined);
    assert.ok((await egress.connectUdp(ipv6, 123, never)) !== undefined);
    assert.equal(await egress.connectUdp(ipv6, 7, never), undefined);
    assert.equal(await egress.connectUdp(ipv4, 7, never), undefined);
    assert.deepEqual(
      asked.filter((what) => what !== "six.org"),
      ["2606:4700::1:7", "2606:4700::1:7", "2606:4700::1:123/udp"],
    );
    const host = "six.org";
    assert.deepEqual(await log(), [
      ...[1, 2].map((id) => ({ event: "connected", id, host, port: 7, address: "2606:4700::1" })),
      { event: "connected", id: 3, host, port: 123, transport: "udp", address: "2606:4700::1" },
      // Told once: whoever is denied one datagram sends the next.
      { event: "denied", host, port: 7, reason: "not-allowed", transport: "udp" },
    ]);
  });
});

test("an IPv6 address is reached where a rule has it, and the host's loopback by its name in either family", async () => {
  await withEgress("[2606:4700::/32]:443,host.internal:9", {}, async (egress, asked, log) => {
    assert.ok((await egress.connectTcp(addressOf("2606:4700::5"), 443, never)) !== undefined);
    assert.equal(await egress.connectTcp(addressOf("2606:4701::5"), 443, never), undefined);
    assert.deepEqual(await egress.answer(question("host.internal", 28), never), {
      kind: "address",
      address: gatewayAddress6,
    });
    assert.ok((await egress.connectTcp(gatewayAddress6, 9, never)) !== undefined);
    egress.denyProtocol(addressOf("2606:4701::5"), 58);
    egress.denyProtocol(addressOf("2606:4701::5"), 58);
    assert.deepEqual(asked, ["2606:4700::5:443", "127.0.0.1:9"]);
    assert.equal((await log()).length, 4);
  });
});

test("a resolver that never answers is waited for as long as who asks waits", async () => {
  const names: Record<string, readonly string[] | Promise<never>> = { "a.org": ["1.1.1.1"] };
  await withEgress("a.org:7", names, async (egress, _, log) => {
    await egress.answer(question("a.org"), never);
    names["a.org"] = new Promise(() => undefined);
    const over = new AbortController();
    const answer = egress.answer(question("a.org"), over.signal);
    const opened = egress.connectTcp(ipv4, 7, over.signal);
    over.abort();
    await assert.rejects(answer);
    assert.equal(await opened, undefined);
    assert.match(JSON.stringify(await log()), /^\[\{"event":"failed","host":"a\.org","port":7,/);
  });
});
