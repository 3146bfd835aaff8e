// A small world for tests of the build: a spec with a base tarball and a kernel of the host, and programs for the guest,
// all made here, so that nothing is downloaded and nothing compiled.

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileTree, gzipBytes, MemorySink, textSource, writeTar } from "@kelpie/formats";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { TreeEditor } from "../../rootfs/image-tree.ts";
import type { ImageSpec } from "../../spec/image-spec.ts";
import { loadSpec } from "../../spec/load-spec.ts";
import { parseReleaseVersion } from "../../version/image-version.ts";
import type { BuildOptions } from "../build-image.ts";
import { type BuildServices, realServices } from "../services.ts";

export interface SmallWorld extends AsyncDisposable {
  readonly directory: string;
  readonly home: string;
  readonly spec: ImageSpec;
  readonly options: BuildOptions;
}

const release = "6.6.0-test";

/** Makes a new world in a directory of its own. `text` is added to the spec. */
export async function smallWorld({
  text = "",
  platform = realPlatform,
}: {
  text?: string;
  platform?: Platform;
} = {}): Promise<SmallWorld> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-build-"));
  const home = join(directory, "home");
  await mkdir(join(directory, "modules", release), { recursive: true });
  const builtIn = ["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_console", "ext4"];
  await writeFile(
    join(directory, "modules", release, "modules.builtin"),
    builtIn.map((name) => `kernel/drivers/${name}.ko\n`).join(""),
  );
  await writeFile(join(directory, "Image"), arm64Image());
  for (const program of ["init", "agent"])
    await writeFile(join(directory, program), `the ${program} of a test`);
  const tarball = await baseTarball();
  await writeFile(join(directory, "base.tar.gz"), tarball);
  const path = join(directory, "small.yaml");
  await writeFile(
    path,
    `name: small
distribution: alpine
base: {tarball: base.tar.gz, sha512: ${createHash("sha512").update(tarball).digest("hex")}}
kernel: {source: path, image: Image, modules: modules/${release}}
${text}`,
  );
  const spec = await loadSpec(platform, path, "arm64");
  return {
    directory,
    home,
    spec,
    options: {
      platform,
      home,
      spec,
      release: parseReleaseVersion("1.2.3-test"),
      source: { gitSha: "0123456789abcdef0123456789abcdef01234567", epochSeconds: 1_700_000_000 },
      guestDirectory: "/nowhere",
      services: servicesWith(directory),
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

/** Programs of the world itself; no repository can be opened. */
function servicesWith(directory: string): BuildServices {
  const closed = (): Promise<never> =>
    Promise.reject(new KelpieError("unreachable", "This world has no repositories"));
  return {
    ...realServices,
    openAlpine: closed,
    openDebian: closed,
    guestBinaries: () =>
      Promise.resolve({
        init: join(directory, "init"),
        agent: join(directory, "agent"),
        digests: {
          init: `sha256:${createHash("sha256").update("the init of a test").digest("hex")}`,
          agent: `sha256:${createHash("sha256").update("the agent of a test").digest("hex")}`,
        },
        compiler: "none",
      }),
  };
}

/** A header that says arm64, and nothing behind it. */
function arm64Image(): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(16, 4096n, true);
  view.setBigUint64(24, 0b1010n, true);
  view.setUint32(56, 0x64_4d_52_41, true);
  return bytes;
}

async function baseTarball(): Promise<Uint8Array> {
  const editor = new TreeEditor(new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 5 }), 5);
  editor.text("etc/os-release", 'ID=small\nVERSION_ID="7"\n');
  editor.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  editor.text("etc/group", "root:x:0:\nshadow:x:42:\n");
  editor.text("usr/bin/tool", "tool", { mode: 0o4755 });
  editor.link("sbin", "usr/sbin");
  editor.directory("usr/sbin", { mode: 0o755 });
  const shared = {
    kind: "file",
    mode: 0o644,
    uid: 3,
    gid: 4,
    mtimeSeconds: 6,
    content: textSource("x"),
  } as const;
  editor.tree.put("usr/share/a", shared);
  editor.tree.put("usr/share/b", shared);
  const sink = new MemorySink();
  await writeTar(editor.tree.entries(), sink);
  return gzipBytes(sink.toBytes());
}
