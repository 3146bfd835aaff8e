// A directory that the guest and the host share while it runs, by virtio-fs: a daemon's, or the monitor's own.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import type { VmmCapabilities } from "../vmm/capabilities.ts";
import type { Attachment, AttachTarget, MachineNeeds } from "../lifecycle/attachment.ts";
import { mountInGuest } from "./mount-in-guest.ts";
import { describeShare, type Share } from "./share.ts";
import { launchVirtioFsDaemon, startVirtioFsDaemon } from "./virtiofs-daemon.ts";

/** See the head of this file. */
export class VirtioFsShare implements Attachment {
  readonly description: string;
  readonly #platform: Platform;
  readonly #share: Share;
  readonly #name: string;
  #daemon: AsyncDisposable | undefined;

  constructor(platform: Platform, share: Share, name: string, why = "shared while the sandbox runs") {
    this.#platform = platform;
    this.#share = share;
    this.#name = name;
    this.description = describeShare(share, "virtiofs", why);
  }

  needs({ sharesDirectories }: VmmCapabilities): MachineNeeds {
    const { source, readOnly } = this.#share;
    return sharesDirectories
      ? { sharedDirectories: [{ name: this.#name, path: source, readOnly }] }
      : { plugs: ["virtiofs"], sharedMemory: true };
  }

  async attach(attached: AttachTarget): Promise<void> {
    const { capabilities, agent, signal } = attached;
    const { target, readOnly } = this.#share;
    const name = this.#name;
    if (!capabilities.sharesDirectories) await this.#plug(attached);
    const mount = { source: { case: "virtiofsTag", value: name }, target, readOnly } as const;
    await mountInGuest(this.#platform.clock, agent, mount, signal);
  }

  async #plug({ machine, runDirectory, livesOn, signal }: AttachTarget): Promise<void> {
    const { readOnly } = this.#share;
    const name = this.#name;
    const source = await this.#platform.files.realPath(this.#share.source);
    const socket = join(runDirectory, `${name}.sock`);
    const start = livesOn ? launchVirtioFsDaemon : startVirtioFsDaemon;
    this.#daemon = await start(this.#platform, { source, readOnly, socket, signal });
    await machine.plug({ kind: "virtiofs", name, tag: name, socket });
  }

  /** What the guest wrote is in the directory already. */
  finish(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
  }
}
