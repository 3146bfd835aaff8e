// Giving a QEMU that is another user what belongs to it.

import { type Files, KelpieError } from "@kelpie/platform";
import type { VmSpec } from "../vmm.ts";
import { type QemuIdentity, unprivilegedGid } from "./identity.ts";
import { socketDirectory } from "./sockets.ts";

/**
 * Makes the directory of QEMU's sockets. To one that is another user it belongs, and the run directory may be gone through,
 * but not read: above it only its owner can go. The memory that such a machine is saved with is made for its group.
 */
export async function prepareFor(
  files: Files,
  identity: QemuIdentity,
  { runDirectory, origin }: VmSpec,
): Promise<void> {
  const directory = `${runDirectory}/${socketDirectory}`;
  await files.makeNewDirectory(directory, 0o700);
  if (identity.kind !== "unprivileged") return;
  await files.setMode(runDirectory, 0o711);
  await files.setOwner(directory, identity.uid, identity.gid);
  if (origin?.kind !== "boot-to-save") return;
  await (await files.open(origin.memory, "create", 0o660)).close();
  await files.setOwner(origin.memory, 0, unprivilegedGid);
  await files.setMode(origin.memory, 0o660);
}

/** Lets QEMU use a socket or file that we have made for it. */
export async function giveTo(files: Files, identity: QemuIdentity, path: string): Promise<void> {
  if (identity.kind === "unprivileged") await files.setOwner(path, identity.uid, identity.gid);
}

/**
 * The path by which QEMU reaches what stands in the run directory, where it can do so by no other; it is given to QEMU.
 *
 * @throws KelpieError `not-found`
 */
export async function reachable(
  files: Files,
  identity: QemuIdentity,
  runDirectory: string,
  path: string,
): Promise<string> {
  if (identity.kind !== "unprivileged") return path;
  const prefix = `${runDirectory}/`;
  if (!path.startsWith(prefix)) return path;
  if ((await files.lstat(path)) === undefined) {
    throw new KelpieError("process-failed", "What is to be plugged in is not there", {
      found: "No such file or directory",
      where: path,
    });
  }
  await giveTo(files, identity, path);
  return path.slice(prefix.length);
}
