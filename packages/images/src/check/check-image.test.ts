import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { buildImage } from "../build/build-image.ts";
import { smallWorld } from "../build/testing/small-world.ts";
import type { InitrdContents } from "../diff/initrd-contents.ts";
import { parseKernelConfig } from "../kernel/build/kernel-config.ts";
import { moduleFile } from "../kernel/testing/kernel-package.ts";
import { checkImage } from "./check-image.ts";
import { checkDrivers, isBuiltIn } from "./drivers.ts";
import { checkModules } from "./modules.ts";

const release = "6.1.0-test";

function initrdWith(
  lines: readonly string[],
  modules: Readonly<Record<string, readonly string[]>>,
): InitrdContents {
  const entries = Object.entries(modules).map(
    ([name, records]) =>
      [`lib/${name}.ko`, { kind: "file", mode: 0o644, bytes: moduleFile(records) }] as const,
  );
  return { files: new Map(entries), moduleLines: lines };
}

const magic = `vermagic=${release} SMP`;

test("modules in an order in which each can be loaded are accepted, under every condition that needs them", () => {
  const { finding, names } = checkModules(
    initrdWith(
      [
        "always /lib/virtio.ko",
        "virtio:0002 /lib/crc.ko",
        "virtio:0002 /lib/blk.ko",
        "later /lib/overlay.ko",
      ],
      {
        virtio: [magic],
        crc: [magic],
        blk: [magic, "depends=virtio,crc"],
        overlay: [magic],
      },
    ),
    release,
  );
  assert.deepEqual(finding.isMet, true, finding.found);
  assert.deepEqual([...names], ["virtio", "crc", "blk"]);
});

for (const [what, lines, modules, found] of [
  [
    "a dependency below",
    ["always /lib/a.ko", "always /lib/b.ko"],
    { a: [magic, "depends=b"], b: [magic] },
    /a comes before b/,
  ],
  [
    "a dependency under another condition",
    ["virtio:0001 /lib/b.ko", "virtio:0002 /lib/a.ko"],
    { a: [magic, "depends=b"], b: [magic] },
    /a comes before b/,
  ],
  ["a dependency that is nowhere", ["always /lib/a.ko"], { a: [magic, "depends=c-d"] }, /a comes before c-d/],
  ["another kernel's module", ["always /lib/a.ko"], { a: ["vermagic=5.0 SMP"] }, /a is for 5\.0/],
  ["a module that is not there", ["always /lib/x.ko"], {}, /lib\/x\.ko is not there/],
  ["a line of another form", ["sometimes /lib/a.ko"], { a: [magic] }, /not a line/],
] as const) {
  test(`an initrd is refused for ${what}`, () => {
    const { finding } = checkModules(initrdWith(lines, modules), release);
    assert.equal(finding.isMet, false);
    assert.match(finding.found, found);
  });
}

test("an initrd without a list of modules is refused, and one with an empty list is not", () => {
  assert.equal(checkModules({ files: new Map(), moduleLines: undefined }, release).finding.isMet, false);
  assert.equal(checkModules({ files: new Map(), moduleLines: [] }, release).finding.isMet, true);
});

test("a driver counts in the kernel or in the initrd, and one that is in neither is told", () => {
  const kernel = Buffer.from("…\0virtio-pci\0virtio_blk\0EXT4-fs (%s): mounted\0", "latin1");
  const states = (modules: readonly string[]): boolean[] =>
    checkDrivers({ bytes: kernel, config: undefined }, new Set(modules)).map(({ isMet }) => isMet);
  assert.deepEqual(states([]), [true, true, true, false]);
  assert.deepEqual(states(["virtio_console"]), [true, true, true, true]);
  assert.deepEqual(
    checkDrivers({ bytes: Buffer.alloc(0), config: undefined }, new Set(["ext4"])).map(({ isMet }) => isMet),
    [false, false, true, false],
  );
  assert.equal(isBuiltIn(Buffer.from("virtio_blk_size"), "virtio_blk"), false);
});

test("a kernel that says what it was configured with is believed, and not the text in it", () => {
  const config = parseKernelConfig(
    "CONFIG_VIRTIO_MMIO=y\nCONFIG_VIRTIO_BLK=m\nCONFIG_VIRTIO_VSOCKETS=y\nCONFIG_EXT4_FS=y\n",
    "",
  );
  const findings = checkDrivers({ bytes: Buffer.from("virtio_blk\0"), config }, new Set());
  assert.deepEqual(
    findings.map(({ isMet }) => isMet),
    [true, false, true, true],
  );
  assert.equal(findings[0]?.found, "virtio_mmio in the kernel, by CONFIG_VIRTIO_MMIO");
});

const skip =
  existsSync("/bin/true") && existsSync("/usr/bin/cc") ? false : "no C compiler makes programs here";

test("an image is checked as a whole, and each thing that is taken away from it is missed", {
  skip,
}, async () => {
  await using world = await smallWorld();
  const { directory, options, home } = world;
  await writeFile(join(directory, "main.c"), "int main(void) { return 0; }\n");
  execFileSync("cc", ["-static", "-o", join(directory, "init"), join(directory, "main.c")]);
  const program = await readFile(join(directory, "init"));
  const digest = `sha256:${createHash("sha256").update(program).digest("hex")}`;
  const { services } = options;
  assert.ok(services !== undefined);
  const path = join(directory, "init");
  const guest = { init: path, agent: path, digests: { init: digest, agent: digest }, compiler: "cc" };
  await appendFile(join(directory, "Image"), "\0virtio-pci\0virtio_blk\0virtio_console\0EXT4-fs (%s)\0");
  const { image } = await buildImage({
    ...options,
    services: { ...services, guestBinaries: () => Promise.resolve(guest) },
  });
  const missing = async (): Promise<string[]> =>
    (await checkImage(realPlatform, home, image)).filter(({ isMet }) => !isMet).map(({ what }) => what);
  // The programs are this machine's, and the image is for arm64.
  const programs = ["initrd: /init", "rootfs: /sbin/init", "rootfs: /usr/local/bin/kelpie-guest"];
  assert.deepEqual(await missing(), process.arch === "arm64" ? [] : programs);
  const kernel = join(image.directory, "vmlinuz");
  await writeFile(kernel, (await readFile(kernel)).subarray(0, 4096));
  const drivers = (await missing()).filter((what) => what.startsWith("a driver"));
  assert.equal(drivers.length, 4);
});
