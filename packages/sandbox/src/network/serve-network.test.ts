// A guest's network over its socket, without a guest: what it holds at most, and that nothing of it goes on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type Platform, realPlatform } from "@kelpie/platform";
import { type IpAddress, parseAddress } from "./address.ts";
import { FrameLink } from "./frame-link.ts";
import { tcpFlag, tcpFrame, udpFrame } from "./packets/transport.ts";
import { parseRule } from "./rules.ts";
import { serveNetwork } from "./serve-network.ts";
import { gatewayMac } from "./wire.ts";

const { files, network } = realPlatform;
const never = new AbortController().signal;
const addressOf = (text: string): IpAddress => parseAddress(text) ?? assert.fail(text);
const ends = {
  sourceMac: gatewayMac,
  destinationMac: gatewayMac,
  source: addressOf("10.0.2.15"),
  destination: addressOf("192.0.2.7"),
};
const question = Buffer.from("123401000001000000000000034e696b0465676773036f72670000010001", "hex");

test("datagrams to whoever does not answer hold a bounded number of lookups and sockets, and none when the guest is gone", async () => {
  await using home = await files.temporaryDirectory("kelpie-net-");
  const open: AbortSignal[] = [];
  const unanswered = (_: string, __: number, signal: AbortSignal): Promise<never> => {
    open.push(signal);
    return new Promise((_resolve, reject) => signal.addEventListener("abort", reject, { once: true }));
  };
  const platform: Platform = {
    ...realPlatform,
    network: { ...network, connectTcp: unanswered, connectUdp: unanswered },
  };
  const socket = `${home.path}/network`;
  const rules = ["192.0.2.7:53/udp", "192.0.2.7:80"].map(parseRule);
  await using served = await serveNetwork(platform, {
    ...{ socket, rules, published: [], log: `${home.path}/log`, signal: never },
  });
  const stream = await network.connectUnix(socket, never);
  const link = new FrameLink(stream);
  link.send(
    tcpFrame(ends, {
      ...{ sourcePort: 1, destinationPort: 80, sequence: 1, acknowledgement: 0, window: 1000 },
      ...{ flags: tcpFlag.syn, payload: new Uint8Array(0) },
    }),
  );
  for (let sourcePort = 1; sourcePort <= 1000; sourcePort += 1)
    link.send(udpFrame(ends, { sourcePort, destinationPort: 53, payload: Uint8Array.of(1) }));
  // The answer to what comes last says that all before it is taken.
  const destination = addressOf("10.0.2.3");
  link.send(udpFrame({ ...ends, destination }, { sourcePort: 1, destinationPort: 53, payload: question }));
  await once(stream, "data", { signal: AbortSignal.timeout(20_000) });
  assert.equal(open.length, 1 + 256);
  link.close();
  await served.ended;
  assert.ok(open.every(({ aborted }) => aborted));
});
