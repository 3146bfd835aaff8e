// A kernel that lies on the host, as its own build left it.

import { basename, join } from "node:path";
import { fileSource, type TreeEntry } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";
import { directoryFiles, sha256Of } from "../plan/host-files.ts";
import type { HostFile } from "../plan/image-plan.ts";
import type { KernelSource } from "../spec/image-spec.ts";

type HostKernel = Extract<KernelSource, { source: "path" }>;
type Reader = Pick<Files, "open" | "list" | "lstat" | "stat" | "readLink">;

/** The kernel's files with their digests, for the plan. */
export async function hostKernelFiles(
  files: Reader,
  { image, modules }: HostKernel,
): Promise<readonly HostFile[]> {
  return [
    { role: "kernel image", content: await sha256Of(files, image), executable: false },
    ...(await directoryFiles(files, modules, `kernel ${basename(modules)}`)),
  ];
}

/** The kernel's files as a package would bring them. */
export async function hostKernelEntries(
  files: Reader,
  { image, modules }: HostKernel,
): Promise<readonly TreeEntry[]> {
  const entries: TreeEntry[] = [await fileEntry(files, image, "boot/vmlinuz")];
  const root = `lib/modules/${basename(modules)}`;
  entries.push(directoryEntry(root));
  const ahead: [directory: string, path: string][] = [[modules, root]];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    const [directory, path] = next;
    for (const name of await files.list(directory)) {
      const status = await files.lstat(join(directory, name));
      if (status?.kind === "directory") {
        entries.push(directoryEntry(`${path}/${name}`));
        ahead.push([join(directory, name), `${path}/${name}`]);
      } else if (status?.kind === "file") {
        entries.push(await fileEntry(files, join(directory, name), `${path}/${name}`));
      }
    }
  }
  return entries;
}

async function fileEntry(files: Reader, source: string, path: string): Promise<TreeEntry> {
  const status = await files.stat(source);
  if (status?.kind !== "file") {
    throw new KelpieError("not-found", "A file of the kernel is not there", { where: source });
  }
  const content = fileSource(files, source, 0, status.sizeBytes);
  return { path, node: { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, content } };
}

function directoryEntry(path: string): TreeEntry {
  return { path, node: { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 } };
}
