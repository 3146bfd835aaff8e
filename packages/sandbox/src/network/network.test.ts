// The parts of a guest's network: addresses, rules, names, packets, decisions and their log.

import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { formatIpv4, isPublicAddress, parseIpv4, parseIpv6 } from "./address.ts";
import { ConnectionLog } from "./connection-log.ts";
import { type DnsQuery, dnsResponse, parseDnsQuery } from "./dns.ts";
import { Egress } from "./egress.ts";
import { FrameLink } from "./frame-link.ts";
import {
  arpReply,
  echoReply,
  type Ends,
  parseArpRequest,
  parseEthernet,
  parseIpv4Packet,
  parseTcp,
  parseUdp,
  tcpFlag,
  tcpFrame,
  udpFrame,
} from "./packets.ts";
import { firstNameAddress, gatewayAddress } from "./plan.ts";
import {
  formatRule,
  isAddressAllowed,
  isNameAllowed,
  parseNetworkMode,
  reachableAddresses,
} from "./policy.ts";
import { parsePublish } from "./publish.ts";

const never = new AbortController().signal;
const isUsage = (error: unknown): boolean => KelpieError.is(error) && error.code === "usage";
const rulesOf = (text: string) => {
  const mode = parseNetworkMode(`allow=${text}`);
  return mode.kind === "allow" ? mode.rules : [];
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
    "allow=1.2.3",
    "allow=*",
    "allow=-a",
    "open",
  ]) {
    assert.throws(() => parseNetworkMode(bad), isUsage, bad);
  }
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

test("a published port is on the loopback unless an address is named", () => {
  assert.deepEqual(parsePublish("8080:80"), { hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 });
  assert.deepEqual(parsePublish("0.0.0.0:1:2"), { hostAddress: "0.0.0.0", hostPort: 1, guestPort: 2 });
  for (const bad of ["80", "0:80", "80:0", "a:80", "80:b", "1:2:3:4", "host:1:2", "70000:1", ""]) {
    assert.throws(() => parsePublish(bad), isUsage, bad);
  }
});

const ends: Ends = {
  ...{ sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 1), destinationMac: Uint8Array.of(2, 0, 0, 0, 0, 2) },
  ...{ source: 0x0a000202, destination: 0x0a00020f },
};
const packetOf = (frame: Uint8Array) => {
  const packet = parseIpv4Packet(parseEthernet(frame)?.payload ?? new Uint8Array(0));
  assert.ok(packet !== undefined);
  return packet;
};

test("segments and datagrams are read as they were written, of even and of odd length", () => {
  for (const payload of ["", "a", "ab", "abc"].map((text) => Uint8Array.from(Buffer.from(text)))) {
    const datagram = { sourcePort: 53, destinationPort: 4000, payload };
    assert.deepEqual(parseUdp(packetOf(udpFrame(ends, datagram))), datagram);
    const segment = {
      ...{
        sourcePort: 80,
        destinationPort: 40000,
        sequence: 0xfffffff0,
        acknowledgement: 7,
        window: 1000,
        payload,
      },
      ...{ flags: tcpFlag.syn | tcpFlag.ack, maxSegment: 15960, windowScale: 4 },
    };
    assert.deepEqual(parseTcp(packetOf(tcpFrame(ends, segment))), segment);
  }
});

test("a packet with one wrong bit is dropped", () => {
  const frame = tcpFrame(ends, {
    ...{ sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 4, window: 5, flags: tcpFlag.ack },
    payload: Uint8Array.from(Buffer.from("payload")),
  });
  for (let bit = 14 * 8; bit < frame.length * 8; bit += 1) {
    const broken = frame.slice();
    broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const packet = parseIpv4Packet(broken.subarray(14));
    const isSound = packet?.protocol === 6 && parseTcp(packet) !== undefined;
    assert.ok(!isSound, `bit ${bit}`);
  }
});

test("a packet as Linux sends it is understood: an echo request and an ARP request", () => {
  const arp = Buffer.from("00010800060400015254006b656c0a00020f0000000000000a000202", "hex");
  const request = parseArpRequest(arp);
  assert.equal(request?.target, gatewayAddress);
  assert.equal(Buffer.from(arpReply(ends.sourceMac, 1, ends.destinationMac, 2)).length, 42);
  const icmp = Buffer.from("0800f7fc00010002", "hex");
  const packet = { protocol: 1, source: 1, destination: 2, payload: icmp };
  const reply = echoReply(ends, packet);
  assert.ok(reply !== undefined);
  assert.equal(Buffer.from(packetOf(reply).payload).toString("hex"), "0000fffc00010002");
});

test("random bytes and cut-off packets are never understood as more than they are, and never throw", () => {
  const sound = tcpFrame(ends, {
    ...{
      sourcePort: 1,
      destinationPort: 2,
      sequence: 3,
      acknowledgement: 4,
      window: 5,
      flags: tcpFlag.syn,
      maxSegment: 9,
    },
    payload: new Uint8Array(20),
  });
  const query = Buffer.from("123401000001000000000000036e696b0465676773036f72670000010001", "hex");
  let seed = 1;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8;
  for (let round = 0; round < 20_000; round += 1) {
    const base = round % 2 === 0 ? sound : query;
    const bytes = base.slice(0, random() % (base.length + 1));
    if (bytes.length > 0) bytes[random() % bytes.length] = random() & 0xff;
    const frame = parseEthernet(bytes);
    const packet = frame === undefined ? undefined : parseIpv4Packet(frame.payload);
    if (packet !== undefined) {
      parseTcp(packet);
      parseUdp(packet);
    }
    parseArpRequest(bytes);
    const parsed = parseDnsQuery(bytes);
    if (parsed !== undefined) assert.ok(dnsResponse(parsed, { kind: "empty" }).length <= 512);
  }
});

test("a name server's question is read, and its answers have the form of RFC 1035", () => {
  const bytes = Buffer.from("123401000001000000000000034e696b0465676773036f72670000010001", "hex");
  const query = parseDnsQuery(bytes);
  assert.ok(query !== undefined);
  assert.deepEqual([query.name, query.type, query.id], ["nik.eggs.org", 1, 0x1234]);
  const answer = Buffer.from(dnsResponse(query, { kind: "address", address: 0xc6120001 })).toString("hex");
  assert.equal(
    answer,
    "123481800001000100000000034e696b0465676773036f72670000010001c00c000100010000003c0004c6120001",
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

async function withEgress(
  rules: string,
  names: Readonly<Record<string, readonly string[]>>,
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
      address: firstNameAddress,
    });
    assert.deepEqual(await egress.answer(question("a.org", 28), never), { kind: "empty" });
    assert.ok((await egress.connect(firstNameAddress, 7, never)) !== undefined);
    assert.equal(await egress.connect(firstNameAddress, 8, never), undefined);
    names["a.org"] = ["127.0.0.1", "10.0.0.1"];
    assert.equal(await egress.connect(firstNameAddress, 7, never), undefined);
    names["a.org"] = ["9.9.9.9", "1.1.1.2"];
    assert.ok((await egress.connect(firstNameAddress, 7, never)) !== undefined, "the second address");
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
    assert.ok((await egress.connect(gatewayAddress, 9, never)) !== undefined);
    assert.equal(await egress.connect(gatewayAddress, 10, never), undefined);
    assert.ok((await egress.connect(parseIpv4("1.2.3.4") ?? 0, 5, never)) !== undefined);
    assert.equal(await egress.connect(parseIpv4("1.2.3.5") ?? 0, 5, never), undefined);
    assert.deepEqual(asked, ["127.0.0.1:9", "1.2.3.4:5"]);
    assert.equal((await log()).length, 4);
  });
});

test("frames are found wherever the stream is cut, and one that is too long ends it", async () => {
  const [ours, theirs] = duplexPair();
  const link = new FrameLink(ours);
  const reading = (async () => {
    const sizes: number[] = [];
    try {
      for await (const frame of link.frames()) sizes.push(frame.length);
    } catch (error) {
      return { sizes, error };
    }
    return { sizes, error: undefined };
  })();
  const lengths = [1, 60, 0, 1500, 16_000];
  const whole = Buffer.concat(
    lengths.map((length) => {
      const frame = Buffer.alloc(4 + length);
      frame.writeUInt32BE(length);
      return frame;
    }),
  );
  for (let at = 0; at < whole.length; at += 997) theirs.write(whole.subarray(at, at + 997));
  theirs.write(Buffer.from([0xff, 0, 0, 0]));
  const { sizes, error } = await reading;
  assert.deepEqual(sizes, lengths);
  assert.ok(KelpieError.is(error) && error.code === "malformed");
});
