// The network of real guests: what Linux's own TCP makes of ours, what is denied, and what is published.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { resolve4 } from "node:dns/promises";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { describe, test } from "node:test";
import { type Platform, realPlatform } from "@kelpie/platform";
import { Sandbox } from "../lifecycle/sandbox.ts";
import { findTestImage } from "../testing/test-image.ts";
import type { PublishedPort } from "../vmm/pluggable.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage } from "../vmm/vmm.ts";
import { FrameLink } from "./frame-link.ts";
import { networkLogName, openNetwork } from "./network-attachment.ts";
import { parseNetworkMode } from "./policy.ts";

const { files } = realPlatform;
const found = await findTestImage("amd64");
const skip = "skip" in found ? found.skip : false;
const largeBytes = 8 << 20;
const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Says its greeting and what it heard, and counts. */
async function listen(answer: (heard: Buffer) => Uint8Array): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const heard: Buffer[] = [];
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => heard.push(chunk));
    socket.on("end", () => socket.end(answer(Buffer.concat(heard))));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A test that fails must not wait for it.
  server.unref();
  return { server, port: (server.address() as AddressInfo).port };
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

async function withGuest(
  image: BootImage,
  net: { readonly mode: string; readonly published?: readonly PublishedPort[]; readonly loseEvery?: number },
  use: (sh: (script: string) => Promise<string>, log: () => Promise<string>) => Promise<void>,
): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-net-");
  const platform = net.loseEvery === undefined ? realPlatform : lossy(realPlatform, net.loseEvery);
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
      // Its address, and that it has none of IPv6: no program waits for one.
      const answers = await sh("nslookup host.internal");
      assert.match(answers, /^Name:\s+host\.internal\nAddress:\s+10\.0\.2\.2$/m);
      assert.doesNotMatch(answers, /Address:.*::|timed out|can't find/);
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

  test("loses nothing on a link that loses frames, in either direction", async () => {
    const content = Buffer.alloc(1 << 20, "kelpie ");
    const { server, port } = await listen((heard) =>
      Buffer.concat([Buffer.from(`${digestOf(heard)}\n`), content]),
    );
    const mode = `allow=host.internal:${port}`;
    await withGuest(image, { mode, loseEvery: 31 }, async (sh) => {
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
