// VMs with Debian's kernel, our initrd and PID 1, and whatever tree stands in for an image: their disk is a file that others may judge.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import {
  type ByteSink,
  bytesSource,
  collect,
  fileSource,
  FileTree,
  MemorySink,
  type NodeMetadata,
  textSource,
} from "@kelpie/formats";
import { type Architecture, kelpieHome, realPlatform } from "@kelpie/platform";
import { openDebian } from "@kelpie/repositories";
import { guestBinaries } from "../../guest/guest-binaries.ts";
import { readGuestKernel } from "../../kernel/read-guest-kernel.ts";
import { writeInitrd } from "../initrd.ts";

const platform = realPlatform;
const home = kelpieHome(platform.host);
const deadlineMs = 120_000;

export const machines = {
  amd64: {
    program: "qemu-system-x86_64",
    args: ["-M", "q35"],
    console: "ttyS0",
    // A busy host is late with the ticks by which the kernel proves its timer.
    words: "no_timer_check tsc=reliable",
  },
  arm64: {
    program: "qemu-system-aarch64",
    args: ["-M", "virt,gic-version=3", "-cpu", "cortex-a72"],
    console: "ttyAMA0",
    words: "",
  },
} as const;

const applets = [
  ...[
    "sh",
    "cat",
    "dd",
    "df",
    "dmesg",
    "du",
    "grep",
    "hostname",
    "ip",
    "kill",
    "ls",
    "mount",
    "rm",
    "sha256sum",
  ],
  ...["sleep", "sync", "wc"],
] as const;

/** What every VM of these tests is made of. */
export interface Parts {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly init: string;
  /** The program; these VMs play it by scripts. */
  readonly agent: string;
  readonly busybox: Uint8Array;
}

export async function bytesOf(produce: (sink: ByteSink) => Promise<unknown>): Promise<Uint8Array> {
  const sink = new MemorySink();
  await produce(sink);
  return sink.toBytes();
}

/** Compiles, fetches and packs the parts; kept in the cache of KELPIE_HOME. */
export async function prepare(architecture: Architecture): Promise<Parts> {
  const repository = await openDebian({ platform, cacheDirectory: join(home, "cache"), architecture });
  const chosen = repository
    .resolve([`linux-image-cloud-${architecture}`])
    .packages.find(({ name }) => /^linux-image-\d/.test(name));
  assert.ok(chosen);
  const kernel = await readGuestKernel(await repository.fetch(chosen));
  const { entries } = await repository.fetch(repository.find("busybox-static"));
  const busybox = entries.find(({ path }) => /(^|\/)bin\/busybox$/.test(path))?.node;
  assert.ok(busybox?.kind === "file");
  const sourceDirectory = join(import.meta.dirname, "../../../../../guest");
  const { init, agent } = await guestBinaries({ platform, home, sourceDirectory, architecture });
  const source = fileSource(platform.files, init, 0, (await platform.files.stat(init))?.sizeBytes ?? 0);
  return {
    kernel: await collect(kernel.image.open(), 1 << 28),
    initrd: await bytesOf((sink) => writeInitrd({ init: source, kernel }, sink)),
    init,
    agent,
    busybox: await collect(busybox.content.open(), 1 << 24),
  };
}

/** A tree with busybox, PID 1 and `files`, by their paths; what begins with "#!" is executable. */
export async function guestTree(
  { init, busybox }: Parts,
  files: Readonly<Record<string, string>>,
): Promise<FileTree> {
  const owned = (mode: number): NodeMetadata => ({ mode, uid: 0, gid: 0, mtimeSeconds: 0 });
  const tree = new FileTree(owned(0o755));
  const program = await platform.files.readFile(init, 1 << 24);
  tree.put("sbin/init", { ...owned(0o755), kind: "file", content: bytesSource(program) });
  tree.put("bin/busybox", { ...owned(0o755), kind: "file", content: bytesSource(busybox) });
  tree.put("etc/hostname", { ...owned(0o644), kind: "file", content: textSource("from-the-image\n") });
  for (const name of applets)
    tree.put(`bin/${name}`, { ...owned(0o777), kind: "symlink", target: "busybox" });
  for (const [path, text] of Object.entries(files)) {
    const mode = text.startsWith("#!") ? 0o755 : 0o644;
    tree.put(path, { ...owned(mode), kind: "file", content: textSource(text) });
  }
  return tree;
}

/** How a boot ended. */
export interface Boot {
  readonly console: string;
  readonly code: number | null;
}

export interface BootRequest {
  readonly architecture: Architecture;
  readonly parts: Parts;
  /** The path of the root disk, which is written to. */
  readonly disk: string;
  /** Further words of the kernel's command line. */
  readonly words?: string;
  /** Kills the machine, as a power cut would, once the console says so. */
  readonly killAt?: RegExp;
}

/** Boots until the VM ends by itself, or is killed. */
export async function boot({ architecture, parts, disk, words = "", killAt }: BootRequest): Promise<Boot> {
  await using directory = await platform.files.temporaryDirectory("kelpie-boot-");
  const place = (name: string): string => join(directory.path, name);
  for (const [name, bytes] of Object.entries({ kernel: parts.kernel, initrd: parts.initrd })) {
    await using handle = await platform.files.open(place(name), "create");
    await handle.write(bytes, 0);
  }
  const { program, args, console: terminal, words: own } = machines[architecture];
  const child = spawn(
    program,
    [
      ...args,
      ...["-m", "256", "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"],
      ...["-kernel", place("kernel"), "-initrd", place("initrd")],
      "-append",
      `console=${terminal} quiet root=LABEL=kelpie-root panic=-1 ${own} ${words}`,
      ...["-drive", `file=${disk},if=none,id=root,format=raw`, "-device", "virtio-blk-pci,drive=root"],
      ...["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: deadlineMs, killSignal: "SIGKILL" },
  );
  let console = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    console += text.replaceAll("\r", "");
    if (killAt?.test(console) === true) child.kill("SIGKILL");
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { console, code };
}
