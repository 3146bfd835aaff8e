// A kernel's source that is built in a moment: a Makefile with Kbuild's targets, packed as Debian packs the real one, and
// scripts in the place of compilers.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, MemorySink, writeTar } from "@kelpie/formats";
import { type Platform, realPlatform } from "@kelpie/platform";
import type { ResolvedPackage } from "@kelpie/repositories";
import { arm64Image, bzImage } from "./kernel-package.ts";

export const release = "6.1.9-test";
/** When the source was packed: 2026-01-15 00:00:00. */
export const packedSeconds = 1_768_435_200;

// `known` stands for Kconfig: what it does not name cannot be chosen, and TINY comes by itself.
const makefile = `IMAGES = $(O)/arch/$(patsubst x86_64,x86,$(ARCH))/boot
who = $$KBUILD_BUILD_USER@$$KBUILD_BUILD_HOST \\#$$KBUILD_BUILD_VERSION $$KBUILD_BUILD_TIMESTAMP
allnoconfig:
	@{ echo CONFIG_TINY=y; cat $(KCONFIG_ALLCONFIG); } > $(O)/all
	@awk 'NR == FNR { known[$$1] = 1; next } match($$0, /CONFIG_[A-Z0-9_]+/) { \\
	  name = substr($$0, RSTART + 7, RLENGTH - 7); if (name in known) line[name] = $$0 } \\
	  END { for (name in line) print line[name] }' known $(O)/all | sort > $(O)/.config
images:
	@echo "  CC      init/main.o"
	@echo run >> $(O)/../../runs
	@if [ -e hang ]; then sleep 60 & echo $$! > $(O)/../../sleeper; echo "  LD      vmlinux"; wait; fi
	@if [ -e fail ]; then echo "init/main.c:1: error: no such thing" >&2; exit 2; fi
	@mkdir -p $(IMAGES)/compressed $(O)/include/config
	@echo ${release} > $(O)/include/config/kernel.release
	@printf 'kernel/drivers/%s.ko\\n' virtio_pci virtio_blk virtio_console ext4 > $(O)/modules.builtin
	@printf 'ext4.license=GPL\\0' > $(O)/modules.builtin.modinfo
bzImage: images
	@{ cat bzImage; echo "$(who) $(CROSS_COMPILE) $$KCFLAGS $$SECRET"; cat $(O)/.config; } > $(IMAGES)/bzImage
	@{ cat vmlinux; cat $(O)/.config; } > $(IMAGES)/compressed/vmlinux.bin
Image: images
	@{ cat Image; echo "$(who) $(CROSS_COMPILE)"; cat $(O)/.config; } > $(IMAGES)/Image
`;

/** The header of an ELF executable for amd64 and nothing else. */
function vmlinux(): Buffer {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(64, 58);
  return header;
}

export interface SmallSource {
  readonly package: ResolvedPackage;
  /** Where its .deb lies. */
  readonly archive: string;
}

/**
 * Packs the source; `marks` are names of empty files in it, by which the Makefile is told to misbehave, and `options` are
 * further ones that it knows.
 */
export async function smallKernelSource(
  directory: string,
  marks: readonly string[] = [],
  options: readonly string[] = [],
): Promise<SmallSource> {
  const tree = join(directory, "linux-source-6.1");
  mkdirSync(tree, { recursive: true });
  const known = ["TINY", "SMP", "NET", ...options].map((name) => `${name}\n`).join("");
  const files = { Makefile: makefile, known, bzImage: bzImage(), vmlinux: vmlinux(), Image: arm64Image() };
  for (const [name, content] of [...Object.entries(files), ...marks.map((mark) => [mark, ""] as const)])
    writeFileSync(join(tree, name), content);
  const tar = join(directory, "linux-source-6.1.tar.xz");
  execFileSync("tar", ["-cJf", tar, "-C", directory, "linux-source-6.1"]);
  const sink = new MemorySink();
  const owned = { uid: 0, gid: 0, mtimeSeconds: packedSeconds, mode: 0o644 };
  const content = bytesSource(readFileSync(tar));
  await writeTar(
    [{ path: "usr/src/linux-source-6.1.tar.xz", node: { ...owned, kind: "file", content } }],
    sink,
  );
  const data = sink.toBytes();
  const header = `${"data.tar".padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(data.length).padEnd(10)}\`\n`;
  const bytes = Buffer.concat([Buffer.from(`!<arch>\n${header}`), data, Buffer.alloc(data.length % 2)]);
  const archive = join(directory, "linux-source.deb");
  writeFileSync(archive, bytes);
  return {
    archive,
    package: {
      ecosystem: "debian",
      name: "linux-source-6.1",
      version: "6.1.9-1",
      architecture: "amd64",
      location: "https://mirror.example/linux-source.deb",
      sizeBytes: bytes.length,
      digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
    },
  };
}

/** A machine whose compilers are scripts in `directory`, without those that are named as missing. */
export function machineWithCompilers(directory: string, missing: readonly string[] = []): Platform {
  const bin = join(directory, "bin");
  mkdirSync(bin, { recursive: true });
  for (const name of [
    "gcc",
    "ld",
    "as",
    "aarch64-linux-gnu-gcc",
    "aarch64-linux-gnu-ld",
    "aarch64-linux-gnu-as",
  ]) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} (Test) 12.0"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const { host, processes } = realPlatform;
  return {
    ...realPlatform,
    host: {
      ...host,
      operatingSystem: "linux",
      architecture: "amd64",
      environment: { PATH: `${bin}:${process.env["PATH"] ?? ""}`, SECRET: "leaked", KCFLAGS: "-O0" },
    },
    processes: {
      ...processes,
      find: (name) => Promise.resolve(missing.includes(name) ? undefined : join(bin, name)),
      run: (command, args, options) => processes.run(join(bin, command), args, options),
    },
  };
}

/** Why the source cannot be built here, or false. */
export function withoutBuildTools(): string | false {
  for (const tool of ["make", "tar", "xz", "awk"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
    } catch {
      return `${tool} is not installed`;
    }
  }
  return false;
}
