// A directory by whichever way the guest's kernel allows that keeps the warm start: 9p, else a disk.

import type { Attachment, AttachTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import { DiskShare, type DiskShareOptions } from "./disk-share.ts";
import { hasNinep, NinepShare } from "./ninep-share.ts";

/** See the head of this file. */
export class AutoShare implements Attachment {
  readonly needs: MachineNeeds;
  readonly #ninep: NinepShare;
  readonly #disk: DiskShare;
  #chosen: Attachment | undefined;

  /** `options.share.source` is without symlinks in its path. */
  constructor(options: DiskShareOptions) {
    const { platform, share, name } = options;
    this.#ninep = new NinepShare(
      platform,
      share,
      name,
      "chosen: shared while the sandbox runs, and keeps the warm start",
    );
    this.#disk = new DiskShare(
      options,
      "chosen: the guest's kernel has no 9p, and virtiofs would cost the warm start",
    );
    this.needs = this.#ninep.needs;
  }

  get description(): string {
    return (this.#chosen ?? this.#disk).description;
  }

  async attach(target: AttachTarget): Promise<void> {
    this.#chosen = (await hasNinep(target.agent, target.signal)) ? this.#ninep : this.#disk;
    await this.#chosen.attach(target);
  }

  async finish(target: AttachTarget): Promise<readonly string[]> {
    return (await this.#chosen?.finish(target)) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ninep[Symbol.asyncDispose]();
    await this.#disk[Symbol.asyncDispose]();
  }
}
