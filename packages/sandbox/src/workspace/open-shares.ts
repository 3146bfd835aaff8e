// From what a person asked for to what is attached.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { Attachment } from "../lifecycle/attachment.ts";
import { AutoShare } from "./auto-share.ts";
import { DiskShare } from "./disk-share.ts";
import { readHostTree } from "./host-tree.ts";
import { type NinepServer, ninepServer } from "../vmm/qemu/identity.ts";
import { byWhom, NinepShare } from "./ninep-share.ts";
import type { Share, Transport } from "./share.ts";
import { VirtioFsShare } from "./virtiofs-share.ts";

/** Beyond it a copy at each start takes longer than a cold boot. */
const quickCopy = { maxEntries: 20_000, maxBytes: 512 << 20 };

export interface OpenSharesOptions {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly shares: readonly Share[];
  /** Default `auto`. */
  readonly transport?: Transport | "auto";
  readonly signal: AbortSignal;
}

/**
 * The attachments for `shares`; the name of each is what the guest sees as its device's.
 *
 * @throws KelpieError `not-found`, `usage` for two at one place, `limit-exceeded`
 */
export async function openShares(options: OpenSharesOptions): Promise<Attachment[]> {
  const { shares } = options;
  const twice = shares.find(
    ({ target }, index) => shares.findIndex((other) => other.target === target) < index,
  );
  if (twice !== undefined) {
    throw new KelpieError("usage", "Two directories cannot be at one place", { where: twice.target });
  }
  // A share inside another is mounted after it.
  const inOrder = shares.toSorted((a, b) => a.target.length - b.target.length);
  const server = await ninepServerFor(options.platform, shares);
  return await Promise.all(
    inOrder.map((share, index) => openShare(options, share, `kelpie-share-${index}`, server)),
  );
}

/** Who serves what is shared by 9p, where that is not simply who we are. */
async function ninepServerFor(
  { host, files }: Platform,
  shares: readonly Share[],
): Promise<NinepServer | undefined> {
  const isRoot = host.operatingSystem === "linux" && host.uid === 0;
  return isRoot
    ? await ninepServer(
        files,
        shares.map(({ source }) => source),
      )
    : undefined;
}

async function openShare(
  options: OpenSharesOptions,
  asked: Share,
  name: string,
  server: NinepServer | undefined,
): Promise<Attachment> {
  const { platform, home, transport = "auto", signal } = options;
  const status = await platform.files.stat(asked.source);
  if (status?.kind !== "directory") {
    throw new KelpieError("not-found", "There is no directory to share with the sandbox", {
      where: asked.source,
    });
  }
  const share = { ...asked, source: await platform.files.realPath(asked.source) };
  const disk = { platform, home, share, name };
  switch (transport) {
    case "virtiofs":
      return new VirtioFsShare(platform, share, name);
    case "9p":
      return new NinepShare(platform, share, name, `shared while the sandbox runs${byWhom(server)}`);
    case "disk":
      return new DiskShare(disk);
    case "auto": {
      const why = await whyNotCopied(platform, share, signal);
      if (why === undefined) return new AutoShare(disk, server);
      return new VirtioFsShare(platform, share, name, `chosen: ${why}`);
    }
    default:
      return transport satisfies never;
  }
}

/** Why a directory is not for a disk, or undefined. */
async function whyNotCopied(
  platform: Platform,
  { source }: Share,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await readHostTree(platform, source, quickCopy, signal);
    return undefined;
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "limit-exceeded") throw error;
    const { maxEntries, maxBytes } = quickCopy;
    return `it has more than ${maxEntries} entries or ${maxBytes >> 20} MiB; the sandbox boots cold for it`;
  }
}
