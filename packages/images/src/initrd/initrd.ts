// The initrd: kelpie-init, the modules and nothing else (docs/boot-contract.md).

import {
  type ByteSink,
  type ByteSource,
  FileTree,
  gzip,
  MemorySink,
  bytesSource,
  type NodeMetadata,
  textSource,
  writeCpio,
} from "@kelpie/formats";
import type { GuestKernel, ModuleLine } from "../kernel/guest-kernel.ts";

/** What goes into an initrd. */
export interface InitrdParts {
  /** The kelpie-init executable. */
  readonly init: ByteSource;
  readonly kernel: Pick<GuestKernel, "modules">;
}

/** Times mean nothing to anybody here, and with none the same program and modules are the same initrd in every version. */
const mtimeSeconds = 0;

/** The tree of the initrd, as the boot contract lays it out. */
export function initrdTree({ init, kernel }: InitrdParts): FileTree {
  const owned = (mode: number): NodeMetadata => ({ mode, uid: 0, gid: 0, mtimeSeconds });
  const tree = new FileTree(owned(0o755));
  for (const directory of ["dev", "proc", "sys", "newroot"]) {
    tree.put(directory, { ...owned(0o755), kind: "directory" });
  }
  tree.put("dev/console", { ...owned(0o600), kind: "character-device", major: 5, minor: 1 });
  tree.put("init", { ...owned(0o755), kind: "file", content: init });
  for (const { path, content } of new Set(kernel.modules.map((line) => line.module))) {
    tree.put(path, { ...owned(0o644), kind: "file", content });
  }
  tree.put("etc/kelpie/modules", {
    ...owned(0o644),
    kind: "file",
    content: textSource(list(kernel.modules)),
  });
  return tree;
}

/**
 * Writes the initrd: a cpio archive, compressed by gzip, which every kernel reads. The same parts give the same bytes.
 */
export async function writeInitrd(parts: InitrdParts, sink: ByteSink): Promise<void> {
  const archive = new MemorySink();
  await writeCpio(initrdTree(parts).entries(), archive);
  for await (const chunk of gzip(bytesSource(archive.toBytes()).open())) await sink.write(chunk);
}

/** The text of `/etc/kelpie/modules`. */
function list(modules: readonly ModuleLine[]): string {
  return modules.map(({ when, module }) => `${when} /${module.path}\n`).join("");
}
