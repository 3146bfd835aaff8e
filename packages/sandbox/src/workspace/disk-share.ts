// A directory as a private disk of the guest: filled before, read back at the end.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { acquireFileLock, describeError, KelpieError, type Platform } from "@kelpie/platform";
import { guestError } from "../agent/guest-error.ts";
import type { Attachment, AttachTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import { applyChanges } from "./apply-changes.ts";
import { changesOf } from "./changes.ts";
import { readDisk, treeOnDisk, writeDisk } from "./disk-image.ts";
import { type HostTree, readHostTree } from "./host-tree.ts";
import { mountInGuest } from "./mount-in-guest.ts";
import { describeShare, type Share } from "./share.ts";

/** What a directory may have to be copied: beyond it, a share that is not a copy is the better way. */
export const diskLimits = { maxEntries: 200_000, maxBytes: 16 * 2 ** 30 };

/** The guest lets go of its disk by itself after this long. */
const standsStillMs = 600_000;
const skippedShown = 5;

export interface DiskShareOptions {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly share: Share;
  /** 1 to 20 of `a-z 0-9 -`, unique in its sandbox. */
  readonly name: string;
}

/** See the head of this file. */
export class DiskShare implements Attachment {
  readonly needs: MachineNeeds = { plugSlots: 1 };
  readonly #options: DiskShareOptions;
  readonly description: string;
  #filled: { readonly root: string; readonly path: string; readonly tree: HostTree } | undefined;

  constructor(options: DiskShareOptions, why = "a copy, brought home at the end") {
    this.#options = options;
    this.description = describeShare(options.share, "disk", why);
  }

  async attach({ machine, agent, runDirectory, signal }: AttachTarget): Promise<void> {
    const { platform, share, name } = this.#options;
    const root = await platform.files.realPath(share.source);
    const tree = await readHostTree(platform, root, diskLimits, signal);
    const path = join(runDirectory, `${name}.ext4`);
    await writeDisk(platform, path, tree.tree, signal);
    await machine.plug({ kind: "disk", name, path, readOnly: share.readOnly });
    const source = { case: "block", value: { device: { case: "serial", value: name } } } as const;
    const { target, readOnly } = share;
    const wholeDisk = `/run/kelpie/disks/${name}`;
    await mountInGuest(platform.clock, agent, { source, target: wholeDisk, readOnly }, signal);
    const bind = { case: "bindPath", value: `${wholeDisk}/${treeOnDisk}` } as const;
    await mountInGuest(platform.clock, agent, { source: bind, target, readOnly }, signal);
    this.#filled = { root, path, tree };
  }

  async finish({ agent, signal }: AttachTarget): Promise<readonly string[]> {
    const { share } = this.#options;
    if (share.readOnly || this.#filled === undefined) return [];
    const { root, path, tree } = this.#filled;
    const mountPoint = share.target;
    try {
      // It stands still rather than being unmounted: a process that was left behind may be using it.
      await agent.system.freezeFileSystem({ mountPoint, thawAfterMs: standsStillMs }, { signal });
    } catch (error) {
      throw guestError(`write ${mountPoint} to its disk`, error, signal);
    }
    try {
      return (await this.#bringHome(root, path, tree, signal)).map((line) => `${share.source}: ${line}`);
    } catch (error) {
      if (signal.aborted) throw error;
      const kept = await this.#keep(path);
      throw new KelpieError("malformed", `Cannot bring ${mountPoint} home to ${root}`, {
        found: describeError(error),
        help: `The guest's disk is kept as ${kept}.`,
        cause: error,
      });
    } finally {
      await agent.system.thawFileSystem({ mountPoint }, { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#filled !== undefined) await this.#options.platform.files.remove(this.#filled.path);
  }

  async #bringHome(root: string, path: string, before: HostTree, signal: AbortSignal): Promise<string[]> {
    const { platform, home } = this.#options;
    const contents = await readDisk(platform, path, signal);
    const { changes, skipped } = changesOf(contents, before.entries);
    // Another sandbox must not put a symlink where this one is about to write.
    const locks = join(home, "cache", "workspaces");
    await platform.files.makeDirectory(locks, 0o700);
    const lock = join(locks, `${createHash("sha256").update(root).digest("hex").slice(0, 32)}.lock`);
    await using _ = await acquireFileLock(platform, lock, { purpose: `bringing ${root} home`, signal });
    const conflicts = await applyChanges(platform, root, changes, signal);
    const unlike = skipped.slice(0, skippedShown);
    return [...conflicts, ...unlike.map((line) => `${line}: it is not carried over`)];
  }

  /** Moves the disk to where it outlives the sandbox. */
  async #keep(path: string): Promise<string> {
    const { platform, home, name } = this.#options;
    const directory = join(home, "recovered");
    await platform.files.makeDirectory(directory, 0o700);
    const kept = join(directory, `${name}-${platform.clock.nowMs()}.ext4`);
    await platform.files.rename(path, kept);
    return kept;
  }
}
