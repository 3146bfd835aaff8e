// What a running QEMU may do on this host when root started it, by each way that a directory or the agent's bytes go: read from
// /proc, which the kernel writes.

import assert from "node:assert/strict";
import { chown, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { delimiter, dirname } from "node:path";
import { describe, test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { Sandbox } from "../../lifecycle/sandbox.ts";
import type { SandboxOptions } from "../../lifecycle/sandbox-options.ts";
import { findTestImage } from "../../testing/test-image.ts";
import { findTestVsockDaemon } from "../../testing/vsock-daemon.ts";
import { openShares } from "../../workspace/open-shares.ts";
import type { Transport } from "../../workspace/share.ts";
import { findVirtioFsDaemon } from "../../workspace/virtiofs-daemon.ts";
import type { BootImage } from "../vmm.ts";
import { openQemu } from "./qemu-vmm.ts";

const { files } = realPlatform;
const found = await findTestImage("amd64");
const isRoot = process.platform === "linux" && process.getuid?.() === 0;
const skip = isRoot ? ("skip" in found ? found.skip : false) : "only root's QEMU is another user";
const virtioFsDaemon = await findVirtioFsDaemon(realPlatform);
const vsockDaemon = findTestVsockDaemon();
const userId = 12_345;
const never = new AbortController().signal;
const fileRights = (1n << 0n) | (1n << 1n) | (1n << 3n); // CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER

interface Rights {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  /** Effective, permitted, inheritable, ambient and bounding (capabilities(7)), all in one. */
  readonly capabilities: bigint;
  readonly noNewPrivileges: string;
  readonly seccomp: string;
}

/** Of the process called QEMU whose working directory is this machine's. */
async function rightsOf(runDirectory: string): Promise<Rights> {
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    if (cwd !== runDirectory || !/^Name:\s+qemu/m.test(status)) continue;
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? assert.fail(`${name} in ${status}`);
    const numbers = (name: string): number[] => field(name).split(/\s+/).map(Number);
    const capabilities = ["CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"];
    return {
      uids: numbers("Uid"),
      gids: numbers("Gid"),
      capabilities: capabilities.reduce((all, name) => all | BigInt(`0x${field(name)}`), 0n),
      noNewPrivileges: field("NoNewPrivs"),
      seccomp: field("Seccomp"),
    };
  }
  assert.fail(`no QEMU in ${runDirectory}`);
}

interface Case {
  readonly transport?: Transport | "auto";
  readonly owner?: number;
  readonly agentTransport?: SandboxOptions["agentTransport"];
}

/** Boots a machine, has its guest write a file where a directory is shared, and tells what QEMU may do. */
async function rightsWith(
  image: BootImage,
  { transport, owner = 0, agentTransport }: Case,
): Promise<{ readonly rights: Rights; readonly description: string; readonly madeBy: number | undefined }> {
  await using home = await files.temporaryDirectory("kelpie-rights-");
  const source = `${home.path}/shared`;
  await mkdir(source, { mode: 0o700 });
  await writeFile(`${source}/secret`, "of its owner\n", { mode: 0o600 });
  for (const path of [source, `${source}/secret`]) await chown(path, owner, owner);
  const platform = realPlatform;
  const vmm = await openQemu(platform, { architecture: image.architecture, home: home.path, signal: never });
  const shares = [{ source, target: "/workspace", readOnly: false }];
  const attachments =
    transport === undefined
      ? []
      : await openShares({ platform, home: home.path, shares, transport, signal: never });
  await using sandbox = await Sandbox.create({
    ...{ platform, vmm, image, home: home.path, memoryMiB: 256, bootTimeoutMs: 120_000, attachments },
    ...{ start: "cold", ...(agentTransport === undefined ? {} : { agentTransport }) },
  });
  const rights = await rightsOf(`${home.path}/sandboxes/${sandbox.id}`);
  const description = attachments.map((attachment) => attachment.description).join();
  if (transport === undefined) return { rights, description, madeBy: undefined };
  const script = "cat /workspace/secret && echo made >/workspace/made && sync";
  const { stdout, stderr } = await sandbox.exec({ argv: ["sh", "-c", script] }).collect();
  assert.equal(Buffer.from(stdout).toString(), "of its owner\n", Buffer.from(stderr).toString());
  if (transport !== "9p") return { rights, description, madeBy: undefined };
  return { rights, description, madeBy: (await stat(`${source}/made`)).uid };
}

const noVirtioFs = virtioFsDaemon === undefined ? "virtiofsd is not installed" : false;
const noVsock = "skip" in vsockDaemon ? vsockDaemon.skip : false;

describe("a QEMU that root started", { skip, timeout: 300_000 }, () => {
  if (!("image" in found)) return;
  const { image } = found;
  if ("program" in vsockDaemon)
    process.env["PATH"] = [dirname(vsockDaemon.program), process.env["PATH"]].join(delimiter);

  for (const [what, how, skip] of [
    ["alone", {}, false],
    ["with its agent reached through a vsock daemon", { agentTransport: "vhost-user-vsock" }, noVsock],
    ["with root's directory by virtiofs", { transport: "virtiofs" }, noVirtioFs],
    ["with root's directory by disk", { transport: "disk" }, false],
    ["with root's directory by whatever is chosen", { transport: "auto" }, false],
  ] as const satisfies readonly (readonly [string, Case, string | false])[]) {
    test(`is ${what} a user of its own without any right`, { skip }, async () => {
      const { rights, description } = await rightsWith(image, how);
      const [uid = 0] = rights.uids;
      assert.ok(uid >= 0x6b000000 && rights.uids.every((each) => each === uid), String(uid));
      assert.ok(rights.gids.every((gid) => gid >= 0x6b000000));
      assert.equal(rights.capabilities, 0n);
      assert.deepEqual([rights.noNewPrivileges, rights.seccomp], ["1", "2"]);
      if ("transport" in how && how.transport === "auto")
        assert.match(description, /by disk \(chosen: QEMU would keep root's power over files for 9p/);
    });
  }

  test("is with a user's directory by 9p that user, without any other right", async (t) => {
    const made = await rightsWith(image, { transport: "9p", owner: userId }).catch((error: unknown) => {
      if (/kernel has no 9p/.test(String(error))) return undefined;
      throw error;
    });
    if (made === undefined) {
      t.skip("the image's kernel has no 9p");
      return;
    }
    const { rights, description, madeBy } = made;
    assert.deepEqual([...new Set([...rights.uids, ...rights.gids])], [userId]);
    assert.equal(rights.capabilities, 0n);
    assert.deepEqual([rights.noNewPrivileges, rights.seccomp], ["1", "2"]);
    assert.equal(madeBy, userId);
    assert.match(description, new RegExp(`QEMU runs as its owner, user ${userId}`));
  });

  test("keeps with root's directory by 9p power over files and nothing else, and that is said", async (t) => {
    const made = await rightsWith(image, { transport: "9p" }).catch((error: unknown) => {
      if (/kernel has no 9p/.test(String(error))) return undefined;
      throw error;
    });
    if (made === undefined) {
      t.skip("the image's kernel has no 9p");
      return;
    }
    const { rights, description } = made;
    assert.equal(rights.capabilities, fileRights);
    assert.deepEqual([rights.noNewPrivileges, rights.seccomp], ["1", "2"]);
    assert.match(description, /QEMU keeps root's power over files/);
  });
});
