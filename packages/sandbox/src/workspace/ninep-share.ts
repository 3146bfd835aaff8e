// A directory that the guest and the host share while it runs, by 9p: QEMU itself serves it, as the user who runs QEMU; where root
// does, as the directory's owner.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { AgentClient } from "../agent/agent-client.ts";
import type { Attachment, AttachTarget, FinishTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import type { NinepServer } from "../vmm/qemu/identity.ts";
import { mountInGuest } from "./mount-in-guest.ts";
import { describeShare, type Share } from "./share.ts";

/** What the kernel has, and what kelpie-init has kept to load for a device that comes later. */
const kernelLists = ["/proc/filesystems", "/run/kelpie/modules.list"];
/** For what the guest has in its caches: an emulated disk takes its time. */
const syncWithinMs = 120_000;
const listLimitBytes = 64 << 10;

/** See the head of this file. `unsupported` when it is attached to a guest whose kernel has no 9p. */
export class NinepShare implements Attachment {
  readonly description: string;
  readonly #platform: Platform;
  readonly #share: Share;
  readonly #name: string;

  /** `share.source` is without symlinks in its path. */
  constructor(platform: Platform, share: Share, name: string, why = "shared while the sandbox runs") {
    this.#platform = platform;
    this.#share = share;
    this.#name = name;
    this.description = describeShare(share, "9p", why);
  }

  needs(): MachineNeeds {
    const { source, readOnly } = this.#share;
    return {
      plugs: ["9p"],
      ninepDirectories: [{ name: directoryOf(this.#name), path: source, readOnly }],
    };
  }

  async attach({ machine, agent, signal }: AttachTarget): Promise<void> {
    const { target, readOnly } = this.#share;
    const name = this.#name;
    if (!(await hasNinep(agent, signal))) {
      throw new KelpieError("unsupported", "The guest's kernel has no 9p", {
        help: "Debian's cloud kernels have none: take an image with Kelpie's own kernel or Alpine's, or another way (virtiofs, disk).",
      });
    }
    await machine.plug({ kind: "9p", name, tag: name, directory: directoryOf(name) });
    const mount = { source: { case: "ninepTag", value: name }, target, readOnly } as const;
    await mountInGuest(this.#platform.clock, agent, { ...mount, options: "cache=mmap" }, signal);
  }

  /** What the guest wrote is in the directory once its caches are. */
  async finish({ agent, signal }: FinishTarget): Promise<readonly string[]> {
    await agent.call("write everything to its disks", { signal, timeoutMs: syncWithinMs }, (stop) =>
      agent.system.sync({}, { signal: stop }),
    );
    return [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Who serves it, where root starts QEMU: the end of a description. */
export function byWhom(server: NinepServer | undefined): string {
  switch (server?.kind) {
    case undefined:
      return "";
    case "owner":
      return `; QEMU runs as its owner, user ${server.uid}`;
    case "root":
      return `; QEMU keeps root's power over files: ${server.reason}`;
    default:
      return server satisfies never;
  }
}

function directoryOf(name: string): string {
  return `${name}-tree`;
}

/** Whether the guest's kernel can mount 9p. */
export async function hasNinep(agent: AgentClient, signal: AbortSignal): Promise<boolean> {
  const { stdout } = await agent.exec({ argv: ["cat", ...kernelLists] }, signal).collect(listLimitBytes);
  return /\b9p(?:\.ko)?$/m.test(Buffer.from(stdout).toString("latin1"));
}
