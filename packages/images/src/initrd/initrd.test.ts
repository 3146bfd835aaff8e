import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { bytesSource, MemorySink } from "@kelpie/formats";
import type { GuestModule } from "../kernel/guest-kernel.ts";
import { type InitrdParts, initrdTree, writeInitrd } from "./initrd.ts";

const module = (name: string): GuestModule => ({
  name,
  path: `lib/modules/6.1.0-test/kernel/${name}.ko`,
  content: bytesSource(Buffer.from(`module ${name}`)),
});
const bus = module("bus");
const parts: InitrdParts = {
  init: bytesSource(Buffer.from("the program")),
  kernel: {
    modules: [
      { when: "always", module: bus },
      { when: "virtio:0002", module: module("disk") },
      { when: "virtio:0001", module: bus },
      { when: "later", module: module("overlay") },
    ],
  },
};

async function written(): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeInitrd(parts, sink);
  return sink.toBytes();
}

test("the initrd holds what the boot contract lists, and nothing else", () => {
  const entries = [...initrdTree(parts).entries()].map(
    ({ path, node }) => `${node.kind} ${node.mode.toString(8)} ${path}`,
  );
  assert.deepEqual(entries, [
    "directory 755 ",
    "directory 755 dev",
    "character-device 600 dev/console",
    "directory 755 etc",
    "directory 755 etc/kelpie",
    "file 644 etc/kelpie/modules",
    "file 755 init",
    "directory 755 lib",
    "directory 755 lib/modules",
    "directory 755 lib/modules/6.1.0-test",
    "directory 755 lib/modules/6.1.0-test/kernel",
    "file 644 lib/modules/6.1.0-test/kernel/bus.ko",
    "file 644 lib/modules/6.1.0-test/kernel/disk.ko",
    "file 644 lib/modules/6.1.0-test/kernel/overlay.ko",
    "directory 755 newroot",
    "directory 755 proc",
    "directory 755 sys",
  ]);
});

test("the list of modules has one line for each condition, with the path in the initrd", () => {
  const node = initrdTree(parts).get("etc/kelpie/modules");
  assert.ok(node?.kind === "file");
  assert.equal(
    Buffer.from(node.content.bytes ?? []).toString(),
    "always /lib/modules/6.1.0-test/kernel/bus.ko\n" +
      "virtio:0002 /lib/modules/6.1.0-test/kernel/disk.ko\n" +
      "virtio:0001 /lib/modules/6.1.0-test/kernel/bus.ko\n" +
      "later /lib/modules/6.1.0-test/kernel/overlay.ko\n",
  );
});

test("a kernel without modules has an empty list", () => {
  const node = initrdTree({ ...parts, kernel: { modules: [] } }).get("etc/kelpie/modules");
  assert.ok(node?.kind === "file" && node.content.sizeBytes === 0);
});

test("the same parts give the same bytes, and GNU cpio reads them", async (context) => {
  const first = await written();
  assert.deepEqual(first, await written());
  const { error, stdout, status } = spawnSync("cpio", ["-t", "--quiet"], { input: gunzipSync(first) });
  if (error !== undefined) {
    context.skip("GNU cpio is not installed");
    return;
  }
  assert.equal(status, 0);
  assert.deepEqual(
    stdout.toString().trim().split("\n"),
    [...initrdTree(parts).entries()].map(({ path }) => path).slice(1),
  );
});
