// A directory as a private disk of the guest: filled before, read back at the end.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { acquireFileLock, describeError, KelpieError, type Platform } from "@kelpie/platform";
import type { Attachment, AttachTarget, FinishTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import { applyChanges } from "./apply-changes.ts";
import { changesOf } from "./changes.ts";
import { readDisk, treeOnDisk, writeDisk } from "./disk-image.ts";
import { entryOf, type HostEntry, readHostTree } from "./host-tree.ts";
import { mountInGuest } from "./mount-in-guest.ts";
import { describeShare, type Share } from "./share.ts";
import { type ShareRecord, writeShareRecord } from "./share-record.ts";

/** What a directory may have to be copied: beyond it, a share that is not a copy is the better way. */
const diskLimits = { maxEntries: 200_000, maxBytes: 16 * 2 ** 30 };

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
  readonly description: string;
  readonly #options: DiskShareOptions;
  #record: ShareRecord | undefined;

  constructor(options: DiskShareOptions, why = "a copy, brought home at the end") {
    this.#options = options;
    this.description = describeShare(options.share, "disk", why);
  }

  /** The one that another process has attached. */
  static restore(platform: Platform, home: string, record: ShareRecord): DiskShare {
    const { share, name } = record;
    const restored = new DiskShare({ platform, home, share, name });
    restored.#record = record;
    return restored;
  }

  needs(): MachineNeeds {
    return { plugs: ["disk"] };
  }

  async attach({ machine, agent, runDirectory, livesOn, signal }: AttachTarget): Promise<void> {
    const { platform, share, name } = this.#options;
    const root = await platform.files.realPath(share.source);
    const { tree, entries } = await readHostTree(platform, root, diskLimits, signal);
    const disk = join(runDirectory, `${name}.ext4`);
    await writeDisk(platform, disk, tree, signal);
    await machine.plug({ kind: "disk", name, path: disk, readOnly: share.readOnly });
    const source = { case: "block", value: { device: { case: "serial", value: name } } } as const;
    const { target, readOnly } = share;
    const wholeDisk = `/run/kelpie/disks/${name}`;
    await mountInGuest(platform.clock, agent, { source, target: wholeDisk, readOnly }, signal);
    const bind = { case: "bindPath", value: `${wholeDisk}/${treeOnDisk}` } as const;
    await mountInGuest(platform.clock, agent, { source: bind, target, readOnly }, signal);
    this.#record = { share, name, root, disk, entries };
    if (livesOn && !readOnly) await writeShareRecord(platform, runDirectory, this.#record);
  }

  async finish({ agent, runDirectory, livesOn, signal }: FinishTarget): Promise<readonly string[]> {
    const { platform, share } = this.#options;
    const record = this.#record;
    if (share.readOnly || record === undefined) return [];
    const mountPoint = share.target;
    // It stands still rather than being unmounted: a process that was left behind may be using it.
    await agent.call(`write ${mountPoint} to its disk`, { signal, timeoutMs: standsStillMs }, (stop) =>
      agent.system.freezeFileSystem({ mountPoint, thawAfterMs: standsStillMs }, { signal: stop }),
    );
    try {
      const { entries, reports } = await this.#bringHome(record, signal);
      this.#record = { ...record, entries };
      if (livesOn) await writeShareRecord(platform, runDirectory, this.#record);
      return reports.map((line) => `${share.source}: ${line}`);
    } catch (error) {
      if (signal.aborted) throw error;
      const kept = await this.#keep(record.disk);
      const code = KelpieError.is(error) ? error.code : "internal";
      throw new KelpieError(code, `Cannot bring ${mountPoint} home to ${record.root}`, {
        found: describeError(error),
        help: `The guest's disk is kept as ${kept}.`,
        cause: error,
      });
    } finally {
      await agent
        .call(`let ${mountPoint} go on`, { signal }, (stop) =>
          agent.system.thawFileSystem({ mountPoint }, { signal: stop }),
        )
        .catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#record !== undefined) await this.#options.platform.files.remove(this.#record.disk);
  }

  /** Returns what host and guest have in common now, and what is to be told. */
  async #bringHome(
    { root, disk, entries }: ShareRecord,
    signal: AbortSignal,
  ): Promise<{ readonly entries: ReadonlyMap<string, HostEntry>; readonly reports: readonly string[] }> {
    const { platform, home } = this.#options;
    const contents = await readDisk(platform, disk, signal);
    const { changes, skipped } = changesOf(contents, entries);
    // Another sandbox must not put a symlink where this one is about to write.
    const locks = join(home, "cache", "workspaces");
    await platform.files.makeDirectory(locks, 0o700);
    const lock = join(locks, `${createHash("sha256").update(root).digest("hex").slice(0, 32)}.lock`);
    await using _ = await acquireFileLock(platform, lock, { purpose: `bringing ${root} home`, signal });
    const { done, conflicts } = await applyChanges(platform, root, changes, signal);
    const now = new Map(entries);
    for (const path of done) {
      const status = await platform.files.lstat(join(root, path));
      if (status === undefined) now.delete(path);
      else now.set(path, entryOf(status));
    }
    const unlike = skipped.slice(0, skippedShown).map((line) => `${line}: it is not carried over`);
    return { entries: now, reports: [...conflicts, ...unlike] };
  }

  /** The disk under a name where it outlives the sandbox, for a person to look at. */
  async #keep(disk: string): Promise<string> {
    const { platform, home, name } = this.#options;
    const directory = join(home, "recovered");
    await platform.files.makeDirectory(directory, 0o700);
    const kept = join(directory, `${name}-${platform.clock.nowMs()}.ext4`);
    await platform.files.hardLink(disk, kept);
    return kept;
  }
}
