// The network of real guests: what Linux's own TCP makes of ours, what is denied, and what is published.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { resolve4 } from "node:dns/promises";
import { once } from "node:events";
import { createSocket, type Socket } from "node:dgram";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { describe, test } from "node:test";
import { type Platform, realPlatform } from "@kelpie/platform";
import { Sandbox } from "../lifecycle/sandbox.ts";
import { findTestImage } from "../testing/test-image.ts";
import type { PublishedPort } from "../vmm/pluggable.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage } from "../vmm/vmm.ts";
import { dnsResponse, parseDnsQuery, recordType } from "./dns.ts";
import { FrameLink } from "./frame-link.ts";
import { networkLogName, openNetwork } from "./network-attachment.ts";
import { parseNetworkMode } from "./rules.ts";

const { files } = realPlatform;
const found = await findTestImage("amd64");
const skip = "skip" in found ? found.skip : false;
const largeBytes = 8 << 20;
/** How often each family was told that something is unreachable: in /proc/net/snmp below the heads of its columns. */
const refusals =
  "awk '/^Icmp:/ { if (n) print $n; for (i = 1; i <= NF; i++) if ($i == \"InDestUnreachs\") n = i }' /proc/net/snmp; awk '/^Icmp6InDestUnreachs/ { print $2 }' /proc/net/snmp6";
const farAddress = "2001:db8::7";
const farName = "far.example";
const hasIpv6 = await listen(() => Buffer.alloc(0), "::1").then(
  ({ server }) => {
    server.close();
    return true;
  },
  () => false,
);
const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Says its greeting and what it heard, and counts. */
async function listen(
  answer: (heard: Buffer) => Uint8Array,
  address = "127.0.0.1",
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const heard: Buffer[] = [];
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => heard.push(chunk));
    socket.on("end", () => socket.end(answer(Buffer.concat(heard))));
  });
  server.listen(0, address);
  await once(server, "listening");
  // A test that fails must not wait for it.
  server.unref();
  return { server, port: (server.address() as AddressInfo).port };
}

/** A name server on the IPv6 loopback that knows one address. */
async function serveNames(): Promise<{ socket: Socket; port: number }> {
  const socket = createSocket("udp6");
  socket.on("message", (bytes, { port, address }) => {
    const query = parseDnsQuery(bytes);
    if (query === undefined) return;
    const known = { kind: "address", address: Uint8Array.of(192, 0, 2, 7) } as const;
    socket.send(dnsResponse(query, query.type === recordType.a ? known : { kind: "empty" }), port, address);
  });
  socket.bind(0, "::1");
  await once(socket, "listening");
  socket.unref();
  return { socket, port: socket.address().port };
}

/** Loses every `every`th frame in each direction. */
function lossy(platform: Platform, every: number): Platform {
  const network: Platform["network"] = {
    ...platform.network,
    listenUnix: (path, onConnection) =>
      platform.network.listenUnix(path, (machine) => {
        if (!path.endsWith("/network")) {
          onConnection(machine);
          return;
        }
        const [inner, outer] = duplexPair();
        const carry = async (from: Duplex, to: Duplex): Promise<void> => {
          const link = new FrameLink(to);
          let count = 0;
          for await (const frame of new FrameLink(from).frames()) if (++count % every !== 0) link.send(frame);
          to.end();
        };
        for (const way of [carry(machine, outer), carry(outer, machine)]) way.catch(() => undefined);
        onConnection(inner);
      }),
  };
  return { ...platform, network };
}

/** A world in which an address of the documentation's network is this host's loopback, at other ports, and has a name. */
function withFarHost(platform: Platform, ports: ReadonlyMap<number, number>): Platform {
  const { network } = platform;
  const real = (address: string, port: number): [string, number] =>
    address === farAddress ? ["::1", ports.get(port) ?? port] : [address, port];
  return {
    ...platform,
    network: {
      ...network,
      resolveName: (name, signal) =>
        name === farName ? Promise.resolve([farAddress]) : network.resolveName(name, signal),
      connectTcp: (address, port, signal) => network.connectTcp(...real(address, port), signal),
      connectUdp: (address, port, signal) => network.connectUdp(...real(address, port), signal),
    },
  };
}

interface GuestNet {
  readonly mode: string;
  readonly published?: readonly PublishedPort[];
  readonly adapt?: (platform: Platform) => Platform;
}

async function withGuest(
  image: BootImage,
  net: GuestNet,
  use: (sh: (script: string) => Promise<string>, log: () => Promise<string>) => Promise<void>,
): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-net-");
  const platform = net.adapt?.(realPlatform) ?? realPlatform;
  const { signal } = new AbortController();
  const vmm = await openQemu(platform, { architecture: image.architecture, home: home.path, signal });
  const attachment = openNetwork(platform, {
    mode: parseNetworkMode(net.mode),
    published: net.published ?? [],
  });
  await using sandbox = await Sandbox.create({
    ...{ platform, vmm, image, home: home.path, memoryMiB: 256, bootTimeoutMs: 120_000, start: "cold" },
    attachments: attachment === undefined ? [] : [attachment],
  });
  const sh = async (script: string): Promise<string> => {
    const { stdout, stderr } = await sandbox.exec({ argv: ["/bin/sh", "-c", script] }).collect();
    return Buffer.from(stdout).toString() + Buffer.from(stderr).toString();
  };
  const log = async (): Promise<string> => {
    const path = `${home.path}/sandboxes/${sandbox.id}/${networkLogName}`;
    return Buffer.from(await files.readFile(path, 1 << 20)).toString();
  };
  await use(sh, log);
}

/** Serves one request over HTTP on the guest's port 8000, with what every busybox has; returns when it listens. */
function serve(text: string): string {
  const listens = "until grep -q ':1F40 ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done";
  return `printf 'HTTP/1.0 200 OK\\r\\n\\r\\n${text}\\n' | nc -l -p 8000 >/dev/null 2>&1 & ${listens}`;
}

/** A port of the host that is free now. */
async function freePort(): Promise<number> {
  const { server, port } = await listen(() => Buffer.alloc(0));
  server.close();
  await once(server, "close");
  return port;
}

describe("the network of a guest", { skip, timeout: 300_000 }, () => {
  if (!("image" in found)) return;
  const { image } = found;

  test("is none, unless it is asked for", async () => {
    await withGuest(image, { mode: "none" }, async (sh) => {
      assert.equal(await sh("ls /sys/class/net | grep -c eth"), "0\n");
      assert.equal(await sh("grep -c nameserver /etc/resolv.conf"), "0\n");
      assert.doesNotMatch(await sh("nslookup example.org; nslookup example.org 10.0.2.3"), /Name:/);
    });
  });

  test("reaches what is allowed by name and nothing else, and every step is in the log", async () => {
    const { server, port } = await listen((heard) => Buffer.from(`heard ${digestOf(heard)}\n`));
    const hostPort = await freePort();
    const published = [{ hostAddress: "127.0.0.1", hostPort, guestPort: 8000 }];
    const mode = `allow=host.internal:${port},localhost:${port},10.0.2.2:1`;
    await withGuest(image, { mode, published }, async (sh, log) => {
      const large = digestOf(Buffer.alloc(largeBytes));
      assert.equal(
        await sh(`head -c ${largeBytes} /dev/zero | nc host.internal ${port}`),
        `heard ${large}\n`,
      );
      for (const denied of [`host.internal ${port + 1}`, `localhost. ${port}`, "93.184.216.34 443"])
        assert.match(await sh(`echo x | nc ${denied} 2>&1 || echo denied`), /denied\n$/, denied);
      assert.match(await sh("nslookup secret.example.com"), /NXDOMAIN/);
      // In both families: a program that knows only one reaches it too.
      const answers = await sh("nslookup host.internal");
      assert.match(answers, /^Name:\s+host\.internal\nAddress:\s+10\.0\.2\.2$/m);
      assert.match(answers, /^Address:\s+fd6b:656c:7069::2$/m);
      assert.doesNotMatch(answers, /timed out|can't find/);
      assert.match(await sh("ping -c 1 10.0.2.2"), / 0% packet loss/);
      await sh(serve("from the guest"));
      assert.equal(await (await fetch(`http://127.0.0.1:${hostPort}/`)).text(), "from the guest\n");
      const events = (await log())
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string | number | undefined>);
      const seen = events.map(({ event, host, reason }) =>
        [event, host, reason].filter((part) => part !== undefined).join(" "),
      );
      for (const expected of [
        "connected host.internal",
        "denied host.internal not-allowed",
        "denied localhost private-address",
        "denied 93.184.216.34 not-allowed",
        "name-denied secret.example.com",
        "published",
      ]) {
        assert.ok(seen.includes(expected), `${expected} in ${seen.join(", ")}`);
      }
      const closed = events.find(({ event, id }) => event === "closed" && id === 1);
      assert.equal(closed?.["sentBytes"], largeBytes);
    });
    server.close();
  });

  const needsIpv6 = hasIpv6 ? false : "this machine has no ::1";
  test("has IPv6 and UDP where rules name them, and refuses the rest at once", {
    skip: needsIpv6,
  }, async () => {
    const large = digestOf(Buffer.alloc(1_000_000));
    const { server, port } = await listen((heard) => Buffer.from(`heard ${digestOf(heard)}\n`), "::1");
    const names = await serveNames();
    const ports = new Map([
      [80, port],
      [53, names.port],
    ]);
    // The address is not public: without a rule of its own the name would lead nowhere.
    const mode = `allow=${farName},${farName}:53/udp,[2001:db8::/32]:80,[2001:db8::/32]:53/udp,host.internal:${port}`;
    const adapt = (platform: Platform): Platform => withFarHost(platform, ports);
    await withGuest(image, { mode, adapt }, async (sh, log) => {
      // The last column is the address's flags: 0x40 while the guest's kernel still asks whether another has it.
      await sh("until grep -qE '^fd6b656c\\w+ \\w+ \\w+ \\w+ 8' /proc/net/if_inet6; do sleep 0.1; done");
      const answers = await sh(`nslookup ${farName}`);
      assert.match(answers, /^Address:\s+198\.18\.0\.1$/m);
      assert.match(answers, /^Address:\s+fd6b:656c:7069:1::1$/m);
      // By its name in either family, by its address, and a loopback of one family alone.
      for (const host of [`${farName} 80`, "198.18.0.1 80", "fd6b:656c:7069:1::1 80", `${farAddress} 80`])
        assert.equal(await sh(`head -c 1000000 /dev/zero | nc ${host}`), `heard ${large}\n`, host);
      assert.match(await sh(`echo x | nc 10.0.2.2 ${port}`), /^heard /);
      for (const resolver of [farName, "198.18.0.1", "fd6b:656c:7069:1::1", farAddress])
        assert.match(await sh(`nslookup there.example ${resolver}`), /^Address:\s+192\.0\.2\.7$/m, resolver);
      const started = performance.now();
      for (const denied of [
        `${farAddress} 81`,
        "2001:db9::1 80",
        "fd6b:656c:7069:1::99 80",
        "93.184.216.34 53",
      ])
        assert.match(await sh(`echo x | nc ${denied} 2>&1 || echo denied`), /denied\n$/, denied);
      // A packet that is dropped is sent again for two minutes.
      assert.ok(performance.now() - started < 30_000, `refused in ${performance.now() - started} ms`);
      // This program asks again for a while after it was refused: the kernel's own counts are read instead.
      for (const resolver of ["93.184.216.34", "2001:db9::1"])
        await sh(`timeout 3 nslookup there.example ${resolver} 2>&1`);
      const [four = "", six = ""] = (await sh(refusals)).split("\n");
      assert.ok(Number(four) > 0 && Number(six) > 0, `unreachable: ${four}, ${six}`);
      assert.match(await sh("ping -6 -c 1 fd6b:656c:7069::2"), / 0% packet loss/);
      await sh("ping -c 1 -W 1 93.184.216.34");
      const lines = await log();
      for (const expected of [
        `"host":"${farName}","port":80,"address":"${farAddress}"`,
        `"host":"${farName}","port":53,"transport":"udp","address":"${farAddress}"`,
        `"host":"${farAddress}","port":53,"transport":"udp","address":"${farAddress}"`,
        '"host":"93.184.216.34","port":53,"reason":"not-allowed","transport":"udp"',
        '"host":"2001:db9::1","port":80,"reason":"not-allowed"',
        '"host":"93.184.216.34","protocol":1,"reason":"not-allowed"',
        `"host":"host.internal","port":${port},"address":"::1"`,
      ])
        assert.ok(lines.includes(expected), `${expected} in ${lines}`);
    });
    server.close();
    names.socket.close();
  });

  test("loses nothing on a link that loses frames, in either direction", async () => {
    const content = Buffer.alloc(1 << 20, "kelpie ");
    const { server, port } = await listen((heard) =>
      Buffer.concat([Buffer.from(`${digestOf(heard)}\n`), content]),
    );
    const mode = `allow=host.internal:${port}`;
    await withGuest(image, { mode, adapt: (platform) => lossy(platform, 31) }, async (sh) => {
      const script = `head -c 1000000 /dev/zero | nc host.internal ${port} > /tmp/got; head -n 1 /tmp/got; tail -n +2 /tmp/got | sha256sum`;
      assert.equal(await sh(script), `${digestOf(Buffer.alloc(1_000_000))}\n${digestOf(content)}  -\n`);
    });
    server.close();
  });

  test("is the host's where it is asked for in full, and published ports lead in with or without it", async () => {
    const { server, port } = await listen(() => Buffer.from("from the host\n"));
    // A name that nobody has (RFC 6761): a host with a name server says so, and so then does the guest's.
    const noName = "kelpie.invalid";
    const hostKnows = await resolve4(noName).then(
      () => false,
      (error: unknown) => error instanceof Error && "code" in error && error.code === "ENOTFOUND",
    );
    for (const mode of ["full", "none"]) {
      const hostPort = await freePort();
      const published = [{ hostAddress: "127.0.0.1", hostPort, guestPort: 8000 }];
      await withGuest(image, { mode, published }, async (sh) => {
        const reached = await sh(`echo x | nc 10.0.2.2 ${port}`);
        const servers = await sh("cat /etc/resolv.conf 2>/dev/null");
        assert.equal(/^nameserver 10\.0\.2\.3$/m.test(servers), mode === "full", servers);
        if (mode === "full" && hostKnows) assert.match(await sh(`nslookup ${noName}`), /NXDOMAIN/);
        if (mode === "full") assert.equal(reached, "from the host\n");
        else assert.doesNotMatch(reached, /from the host/);
        await sh(serve("in"));
        assert.equal(await (await fetch(`http://127.0.0.1:${hostPort}/`)).text(), "in\n", mode);
      });
    }
    server.close();
  });
});
