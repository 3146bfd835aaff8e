// A directory by the best way that monitor and guest allow: shared while the sandbox runs if it can be without giving QEMU
// rights that it has not anyway, else a disk.

import type { Attachment, AttachTarget, FinishTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import type { VmmCapabilities } from "../vmm/capabilities.ts";
import { DiskShare, type DiskShareOptions } from "./disk-share.ts";
import type { NinepServer } from "../vmm/qemu/identity.ts";
import { byWhom, hasNinep, NinepShare } from "./ninep-share.ts";
import { VirtioFsShare } from "./virtiofs-share.ts";

/** See the head of this file. */
export class AutoShare implements Attachment {
  readonly #virtioFs: VirtioFsShare;
  readonly #ninep: NinepShare;
  readonly #disk: DiskShare;
  readonly #isNinepConfined: boolean;
  #chosen: Attachment | undefined;

  /** `options.share.source` is without symlinks in its path; `server` is who would serve it by 9p, where root starts QEMU. */
  constructor(options: DiskShareOptions, server: NinepServer | undefined) {
    this.#isNinepConfined = server?.kind !== "root";
    const { platform, share, name } = options;
    this.#virtioFs = new VirtioFsShare(platform, share, name, "chosen: the monitor shares it by itself");
    this.#ninep = new NinepShare(
      platform,
      share,
      name,
      `chosen: shared while the sandbox runs, and keeps the warm start${byWhom(server)}`,
    );
    this.#disk = new DiskShare(
      options,
      server?.kind === "root"
        ? `chosen: QEMU would keep root's power over files for 9p (${server.reason}), and virtiofs would cost the warm start`
        : "chosen: the guest's kernel has no 9p, and virtiofs would cost the warm start",
    );
  }

  get description(): string {
    return (this.#chosen ?? this.#disk).description;
  }

  needs(capabilities: VmmCapabilities): MachineNeeds {
    if (capabilities.sharesDirectories) return this.#virtioFs.needs(capabilities);
    return this.#mayBeNinep(capabilities) ? this.#ninep.needs() : this.#disk.needs();
  }

  async attach(target: AttachTarget): Promise<void> {
    this.#chosen = await this.#choose(target);
    await this.#chosen.attach(target);
  }

  async finish(target: FinishTarget): Promise<readonly string[]> {
    return (await this.#chosen?.finish(target)) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#virtioFs[Symbol.asyncDispose]();
    await this.#ninep[Symbol.asyncDispose]();
    await this.#disk[Symbol.asyncDispose]();
  }

  async #choose({ capabilities, agent, signal }: AttachTarget): Promise<Attachment> {
    if (capabilities.sharesDirectories) return this.#virtioFs;
    return this.#mayBeNinep(capabilities) && (await hasNinep(agent, signal)) ? this.#ninep : this.#disk;
  }

  #mayBeNinep(capabilities: VmmCapabilities): boolean {
    return this.#isNinepConfined && capabilities.plugs.includes("9p");
  }
}
