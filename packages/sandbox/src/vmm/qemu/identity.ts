// Who QEMU runs as. Where root starts it, it is a user of its own without any right, which no other sandbox and no account
// has: what it needs is opened by us and handed to it, or belongs to it. Where it serves directories by 9p, it is their owner.

import { type Platform, readTextIfPresent } from "@kelpie/platform";
import type { VmSpec } from "../vmm.ts";
import type { Accelerator } from "./accelerator.ts";

/** Users whom no system gives out: 0x6b000000, and 24 random bits. Their group is one for all. */
const firstUid = 0x6b000000;
export const unprivilegedGid = 0x6b656c70;
const idMapLimitBytes = 16 << 10;
const readableByAll = 0o004;
const usableByGroup = 0o060;
const usableByAll = 0o006;

/** Who QEMU is. */
export type QemuIdentity =
  /** Whoever we are. */
  | { readonly kind: "own" }
  /** A user without rights, and the groups that a device needs. */
  | {
      readonly kind: "unprivileged";
      readonly uid: number;
      readonly gid: number;
      readonly groups: readonly number[];
    }
  /** Still root, with power over files and nothing else: `reason`. */
  | { readonly kind: "root"; readonly reason: string };

type Parts = Pick<Platform, "files" | "host" | "random">;

/** Who runs the machine of `spec`. */
export async function qemuIdentity(
  platform: Parts,
  spec: VmSpec,
  accelerator: Accelerator,
): Promise<QemuIdentity> {
  const { files, host, random } = platform;
  if (host.operatingSystem !== "linux" || host.uid !== 0) return { kind: "own" };
  const server = await ninepServer(
    files,
    (spec.ninepDirectories ?? []).map(({ path }) => path),
  );
  if (server?.kind === "root") return server;
  const { kernel, initrd, withoutInitrd = false } = spec.image;
  for (const path of withoutInitrd ? [kernel] : [kernel, initrd]) {
    const status = await files.stat(path);
    if (status !== undefined && (status.mode & readableByAll) === 0) {
      return { kind: "root", reason: `only its owner can read ${path}` };
    }
  }
  const uid = server?.uid ?? firstUid + Buffer.from(random.bytes(3)).readUIntBE(0, 3);
  if (!(await isMapped(files, "uid", uid)) || !(await isMapped(files, "gid", unprivilegedGid))) {
    return { kind: "root", reason: "this container has no users beyond its own" };
  }
  // What it makes for the guest has the group of the directory, as what its owner makes there mostly has.
  const gid = server === undefined || server.gid === 0 ? unprivilegedGid : server.gid;
  const groups = gid === unprivilegedGid ? [] : [unprivilegedGid];
  if (accelerator !== "kvm") return { kind: "unprivileged", uid, gid, groups };
  const device = await files.stat("/dev/kvm");
  const mode = device?.mode ?? 0;
  if ((mode & usableByAll) === usableByAll) {
    return { kind: "unprivileged", uid, gid, groups };
  }
  if (device === undefined || device.gid === 0 || (mode & usableByGroup) !== usableByGroup) {
    return { kind: "root", reason: "/dev/kvm is root's alone" };
  }
  return { kind: "unprivileged", uid, gid, groups: [...groups, device.gid] };
}

/** Who serves directories by 9p, where root starts QEMU. */
export type NinepServer =
  /** The user to whom all of them belong. */
  | { readonly kind: "owner"; readonly uid: number; readonly gid: number }
  /** Root, with its power over files: `reason`. */
  | { readonly kind: "root"; readonly reason: string };

/** As whom QEMU can serve directories by 9p, where root starts it: only who owns files can serve them. None for none. */
export async function ninepServer(
  files: Pick<Platform["files"], "stat">,
  paths: readonly string[],
): Promise<NinepServer | undefined> {
  const [first, ...others] = await Promise.all(
    paths.map(async (path) => ({ path, status: await files.stat(path) })),
  );
  if (first === undefined) return undefined;
  const uid = first.status?.uid ?? 0;
  if (uid === 0)
    return { kind: "root", reason: `${first.path} is root's, and 9p serves files as their owner` };
  const other = others.find(({ status }) => status?.uid !== uid);
  return other === undefined
    ? { kind: "owner", uid, gid: first.status?.gid ?? 0 }
    : {
        kind: "root",
        reason: `${first.path} and ${other.path} are not one user's, and 9p serves files as their owner`,
      };
}

/** Whether this process's user namespace knows an id (user_namespaces(7)): lines of FIRST OUTSIDE COUNT. */
async function isMapped(files: Platform["files"], which: "uid" | "gid", id: number): Promise<boolean> {
  const text = (await readTextIfPresent(files, `/proc/self/${which}_map`, idMapLimitBytes)) ?? "";
  return text.split("\n").some((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return id >= first && id < first + count;
  });
}
