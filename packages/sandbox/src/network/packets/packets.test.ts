// Frames, packets and segments: as they are written, read and refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type IpAddress, parseAddress } from "../address.ts";
import { gatewayAddress } from "../plan.ts";
import { arpReply, etherType, parseArpRequest, parseEthernet } from "./ethernet.ts";
import { advertisement, echoReply, isEchoRequest, parseSolicitation, unreachable } from "./icmp.ts";
import { type Ends, type IpPacket, parseIpv4Packet, parseIpv6Packet, protocol } from "./ip.ts";
import { parseTcp, parseUdp, tcpFlag, tcpFrame, udpFrame } from "./transport.ts";

const addressOf = (text: string): IpAddress => parseAddress(text) ?? assert.fail(text);
const macs = { sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 1), destinationMac: Uint8Array.of(2, 0, 0, 0, 0, 2) };
const ends: Ends = { ...macs, source: addressOf("10.0.2.2"), destination: addressOf("10.0.2.15") };
const ends6: Ends = { ...macs, source: addressOf("fd00::2"), destination: addressOf("fd00::15") };
const packetOf = (frame: Uint8Array): IpPacket => {
  const { type, payload } = parseEthernet(frame) ?? assert.fail("no frame");
  const packet = type === etherType.ipv6 ? parseIpv6Packet(payload) : parseIpv4Packet(payload);
  return packet ?? assert.fail("no packet");
};

test("segments and datagrams are read as they were written, of even and of odd length", () => {
  for (const payload of ["", "a", "ab", "abc"].map((text) => Uint8Array.from(Buffer.from(text)))) {
    const datagram = { sourcePort: 53, destinationPort: 4000, payload };
    for (const way of [ends, ends6]) assert.deepEqual(parseUdp(packetOf(udpFrame(way, datagram))), datagram);
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
    for (const way of [ends, ends6]) assert.deepEqual(parseTcp(packetOf(tcpFrame(way, segment))), segment);
  }
});

test("a packet with one wrong bit is dropped", () => {
  const segment = {
    ...{ sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 4, window: 5, flags: tcpFlag.ack },
    payload: Uint8Array.from(Buffer.from("payload")),
  };
  // The header of IPv6 has no checksum: what follows its addresses' beginning is covered by the segment's.
  for (const [way, from, parse] of [
    [ends, 14, parseIpv4Packet],
    [ends6, 14 + 8, parseIpv6Packet],
  ] as const) {
    const frame = tcpFrame(way, segment);
    for (let bit = from * 8; bit < frame.length * 8; bit += 1) {
      const broken = frame.slice();
      broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const packet = parse(broken.subarray(14));
      const isSound = packet?.protocol === protocol.tcp && parseTcp(packet) !== undefined;
      assert.ok(!isSound, `bit ${bit}`);
    }
  }
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("a packet as Linux sends it is understood: an echo request and an ARP request", () => {
  const arp = Buffer.from("00010800060400015254006b656c0a00020f0000000000000a000202", "hex");
  const request = parseArpRequest(arp);
  assert.equal(hex(request?.target ?? arp), hex(gatewayAddress));
  assert.equal(arpReply(ends.sourceMac, ends.source, ends.destinationMac, ends.destination).length, 42);
  const payload = Buffer.from("0800f7fc00010002", "hex");
  const packet = { ...ends, protocol: protocol.icmp, payload, bytes: payload };
  assert.ok(isEchoRequest(packet) && !isEchoRequest({ ...packet, payload: payload.subarray(0, 7) }));
  assert.equal(hex(packetOf(echoReply(ends, packet)).payload), "0000fffc00010002");
});

test("a neighbour's address is told to who asks for it, by RFC 4861", () => {
  // As Linux sends it, from fe80::5054:ff:fe6b:656c for fd6b:656c:7069::2, with its own hardware address.
  const question = Buffer.from(
    "6000000000203afffe80000000000000505400fffe6b656cff0200000000000000000001ff000002" +
      "87000000" +
      "00000000" +
      "fd6b656c706900000000000000000002" +
      "01015254006b656c",
    "hex",
  );
  const bare = parseIpv6Packet(question) ?? assert.fail("no packet");
  assert.equal(parseSolicitation(bare), undefined, "its checksum is not set");
  question.writeUInt16BE(checksumOf(question.subarray(40), bare), 42);
  const target = parseSolicitation(bare) ?? assert.fail("not understood");
  assert.equal(hex(target), hex(addressOf("fd6b:656c:7069::2")));
  const answer = advertisement({ ...ends6, destination: bare.source }, ends6.sourceMac, target);
  const packet = packetOf(answer);
  assert.equal(answer[14 + 7], 255, "a hop limit that no router lets through");
  assert.deepEqual(packet.destination, addressOf("fe80::5054:ff:fe6b:656c"));
  assert.match(
    hex(packet.payload),
    /^8800[0-9a-f]{4}60000000fd6b656c7069000000000000000000020201020000000001$/,
  );
  assert.equal(checksumOf(packet.payload, packet), 0);
});

test("what reaches nobody is answered with its own beginning, in bounds", () => {
  const payload = new Uint8Array(9000).fill(7);
  for (const [way, type, codes, longest] of [
    [ends, 3, { port: 3, prohibited: 13 }, 576],
    [ends6, 1, { port: 4, prohibited: 1 }, 1280],
  ] as const) {
    const sent = packetOf(udpFrame(way, { sourcePort: 1, destinationPort: 2, payload }));
    for (const why of ["port", "prohibited"] as const) {
      const error = packetOf(unreachable(way, sent, why));
      assert.deepEqual([...error.payload.subarray(0, 2)], [type, codes[why]]);
      assert.equal(error.bytes.length, longest);
      assert.deepEqual(error.payload.subarray(8), sent.bytes.subarray(0, error.payload.length - 8));
      const check = way === ends ? plainSum(error.payload) : checksumOf(error.payload, error);
      assert.equal(check, 0);
    }
  }
});

test("bytes that were changed or cut off never throw", () => {
  const segment = {
    ...{ sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 4, window: 5 },
    ...{ flags: tcpFlag.syn, maxSegment: 9, payload: new Uint8Array(20) },
  };
  const frames = [ends, ends6].map((way) => tcpFrame(way, segment));
  const most = 200;
  const changed = fc.record({
    ...{ length: fc.nat(most), at: fc.nat(most), byte: fc.nat(255) },
    sound: fc.constantFrom(...frames),
  });
  const parse = (bytes: Uint8Array): void => {
    const frame = parseEthernet(bytes);
    const payload = frame?.payload ?? bytes;
    for (const packet of [parseIpv4Packet(payload), parseIpv6Packet(payload)]) {
      if (packet === undefined) continue;
      parseTcp(packet);
      parseUdp(packet);
      isEchoRequest(packet);
      parseSolicitation(packet);
    }
    parseArpRequest(bytes);
  };
  fc.assert(
    fc.property(changed, ({ length, at, byte, sound }) => {
      const bytes = sound.slice(0, length);
      if (at < bytes.length) bytes[at] = byte;
      parse(bytes);
    }),
    { numRuns: 5000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), parse));
});

/** RFC 1071, written for these tests: zero where a checksum is right, and the checksum where its field is zero. */
function plainSum(bytes: Uint8Array): number {
  const whole = Buffer.concat([bytes, new Uint8Array(bytes.length % 2)]);
  let total = 0;
  for (let at = 0; at < whole.length; at += 2) {
    total += whole.readUInt16BE(at);
    total = (total & 0xffff) + (total >>> 16);
  }
  return ~total & 0xffff;
}

/** With the pseudo-header of RFC 9293, or of RFC 8200 for addresses of IPv6. */
function checksumOf(
  bytes: Uint8Array,
  packet: { readonly source: Uint8Array; readonly destination: Uint8Array; readonly protocol: number },
): number {
  const { source, destination } = packet;
  const rest = Buffer.alloc(source.length === 4 ? 4 : 8);
  if (source.length === 4) {
    rest.writeUInt16BE(packet.protocol, 0);
    rest.writeUInt16BE(bytes.length, 2);
  } else {
    rest.writeUInt32BE(bytes.length, 0);
    rest.writeUInt32BE(packet.protocol, 4);
  }
  return plainSum(Buffer.concat([source, destination, rest, bytes]));
}

test("whatever a SYN has for options, a segment with a right checksum is read within its bounds", () => {
  const plausible = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const nearly = fc.constantFrom(
    [2, 4, 0xff, 0xff],
    [3, 3, 255, 0],
    [3, 3, 14, 1],
    [1, 1, 2, 4],
    [2, 0, 0, 0],
  );
  const options = fc.array(fc.oneof(plausible, nearly), { maxLength: 10 });
  const seen = { maxSegment: 0, windowScale: 0 };
  fc.assert(
    fc.property(options, fc.uint8Array({ maxLength: 9 }), (words, payload) => {
      const header = Buffer.alloc(20);
      header[12] = (5 + words.length) << 4;
      header[13] = tcpFlag.syn;
      const bytes = Buffer.concat([header, ...words.map((word) => Uint8Array.from(word)), payload]);
      const packet = { ...ends, protocol: protocol.tcp, payload: bytes, bytes };
      bytes.writeUInt16BE(checksumOf(bytes, packet), 16);
      const segment = parseTcp(packet);
      assert.ok(segment !== undefined);
      assert.deepEqual(Buffer.from(segment.payload), Buffer.from(payload));
      assert.ok((segment.windowScale ?? 0) <= 14);
      if (segment.maxSegment !== undefined) seen.maxSegment++;
      if (segment.windowScale !== undefined) seen.windowScale++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(seen.maxSegment > 0 && seen.windowScale > 0, JSON.stringify(seen));
});
