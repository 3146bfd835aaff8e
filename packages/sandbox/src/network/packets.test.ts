// Frames, packets and segments: as they are written, read and refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
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
import { gatewayAddress } from "./plan.ts";

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

test("bytes that were changed or cut off never throw", () => {
  const sound = tcpFrame(ends, {
    ...{ sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgement: 4, window: 5 },
    ...{ flags: tcpFlag.syn, maxSegment: 9, payload: new Uint8Array(20) },
  });
  const changed = fc.record({ length: fc.nat(sound.length), at: fc.nat(sound.length), byte: fc.nat(255) });
  const parse = (bytes: Uint8Array): void => {
    const frame = parseEthernet(bytes);
    const packet = frame === undefined ? undefined : parseIpv4Packet(frame.payload);
    if (packet !== undefined) {
      parseTcp(packet);
      parseUdp(packet);
    }
    parseArpRequest(bytes);
  };
  fc.assert(
    fc.property(changed, ({ length, at, byte }) => {
      const bytes = sound.slice(0, length);
      if (at < length) bytes[at] = byte;
      parse(bytes);
    }),
    { numRuns: 5000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), parse));
});

/** RFC 1071, written for these tests: the checksum of a TCP segment whose own field is zero. */
function checksum(bytes: Uint8Array, packet: { source: number; destination: number }): number {
  const pseudo = Buffer.alloc(12);
  pseudo.writeUInt32BE(packet.source, 0);
  pseudo.writeUInt32BE(packet.destination, 4);
  pseudo.writeUInt16BE(6, 8);
  pseudo.writeUInt16BE(bytes.length, 10);
  const whole = Buffer.concat([pseudo, bytes, new Uint8Array(bytes.length % 2)]);
  let total = 0;
  for (let at = 0; at < whole.length; at += 2) {
    total += whole.readUInt16BE(at);
    total = (total & 0xffff) + (total >>> 16);
  }
  return ~total & 0xffff;
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
      const { source, destination } = ends;
      bytes.writeUInt16BE(checksum(bytes, ends), 16);
      const segment = parseTcp({ protocol: 6, source, destination, payload: bytes });
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
