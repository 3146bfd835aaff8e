// Templates under KELPIE_HOME/templates, each a directory named by its key that appears and vanishes as a whole.

import { join } from "node:path";
import {
  acquireFileLock,
  type FileLock,
  hostBootId,
  KelpieError,
  type Platform,
  randomHex,
  readTextIfPresent,
  writeFileAtomic,
} from "@kelpie/platform";
import { unprivilegedGid } from "../vmm/qemu/identity.ts";
import type { BootImage, SavedMachine } from "../vmm/vmm.ts";
import { sparseDigest } from "./sparse-digest.ts";
import { fileStamp } from "./stamp.ts";
import { imageStamps } from "./template-key.ts";
import {
  parseImpossible,
  parseTemplateRecord,
  type PerFile,
  serializeTemplateRecord,
  type TemplateFile,
  templateFileKinds,
  templateFiles,
  type TemplateRecord,
} from "./template-record.ts";

const recordName = "template.json";
const recordLimitBytes = 64 << 10;
/** Of each, the memory that a booted guest has used is on the disk: some 40 to 130 MB. */
const keptTemplates = 12;
const keyPattern = /^[0-9a-f]{32}$/;
const impossiblePattern = /^[0-9a-f]{32}\.impossible$/;
const stagingPattern = /^\.(?<pid>\d{1,10})-[0-9a-f]+$/;

/** A template that may be restored. */
export interface Template {
  readonly key: string;
  readonly saved: SavedMachine;
}

/** Looking for a template: it is there and untouched, or why there is none. */
export type Lookup =
  | { readonly kind: "found"; readonly template: Template }
  | { readonly kind: "missing" }
  /** It was there, and must not be used. */
  | { readonly kind: "refused"; readonly reason: string }
  /** There can be none, as was found out before. */
  | { readonly kind: "impossible"; readonly reason: string };

/** What stands in the store, for people. */
export interface TemplateSummary {
  readonly key: string;
  readonly image: string;
  /** On the disk: the memory's file is sparse. */
  readonly allocatedBytes: number;
  readonly lastUsedMs: number;
}

/** The templates of one KELPIE_HOME. Any number of processes may use them at once. */
export class TemplateStore {
  readonly #platform: Platform;
  readonly #root: string;

  constructor(platform: Platform, home: string) {
    this.#platform = platform;
    this.#root = join(home, "templates");
  }

  /**
   * The template of `key` for `image`. That its files are untouched is told by their size and time, which takes a
   * fraction of a millisecond; where the host was started anew since, they are read and held against their digests, as
   * a crash may have lost what was not yet on the disk.
   */
  async find(key: string, image: BootImage): Promise<Lookup> {
    const { files } = this.#platform;
    const directory = join(this.#root, key);
    const path = join(directory, recordName);
    const text = await readTextIfPresent(files, path, recordLimitBytes);
    if (text === undefined) return await this.#whyNone(key);
    const record = parseTemplateRecord(text);
    if (record === undefined) return { kind: "refused", reason: "its record is damaged" };
    const [stamps, sources, boot] = await Promise.all([
      this.#stamps(directory),
      imageStamps(files, image),
      hostBootId(files),
    ]);
    if (JSON.stringify(sources) !== JSON.stringify(record.imageStamps))
      return { kind: "refused", reason: "the image's files were written anew" };
    const template = { key, saved: savedIn(directory) };
    const isUntouched = templateFileKinds.every((kind) => stamps[kind] === record.stamps[kind]);
    if (!isUntouched || boot !== record.hostBoot) {
      const reason = await this.#mismatch(directory, record.digests);
      if (reason !== undefined) return { kind: "refused", reason };
      await this.#writeRecord(directory, { ...record, stamps, hostBoot: boot });
    }
    // Its last use: by it the oldest is chosen when there are too many.
    await files.setModifiedTime(path, this.#platform.clock.nowMs()).catch(() => undefined);
    return { kind: "found", template };
  }

  /** Keeps in mind that the guest of `key` cannot be saved, so that it is not tried at every start. */
  async giveUp(key: string, { rootfs }: BootImage, reason: string): Promise<void> {
    const text = `${JSON.stringify({ rootfs, reason })}\n`;
    await writeFileAtomic(this.#platform, join(this.#root, `${key}.impossible`), text, 0o600);
  }

  /** Waits until nobody else makes or removes the template of `key`. `in-use` after `timeoutMs`. */
  async lock(key: string, timeoutMs: number, signal: AbortSignal): Promise<FileLock> {
    await this.#platform.files.makeDirectory(this.#root, 0o700);
    const path = join(this.#root, `.lock-${key}`);
    return acquireFileLock(this.#platform, path, { purpose: "making a template", timeoutMs, signal });
  }

  /** A directory to make a template in: disposing it removes it unless it was published. */
  async stage(): Promise<{ readonly path: string } & AsyncDisposable> {
    const { files, host, random } = this.#platform;
    // Short: sockets stand in it.
    const path = join(this.#root, `.${host.pid}-${randomHex(random, 3)}`);
    await files.makeNewDirectory(path, 0o700);
    return { path, [Symbol.asyncDispose]: () => files.remove(path) };
  }

  /** Makes what was staged the template of `key`, in the place of one that may stand there. Its files are not written to any more. */
  async publish(key: string, image: BootImage, staging: string): Promise<Template> {
    const { files } = this.#platform;
    const directory = join(this.#root, key);
    const names: readonly string[] = Object.values(templateFiles);
    for (const name of await files.list(staging)) {
      const path = join(staging, name);
      if (!names.includes(name)) await files.remove(path);
      else if (name === templateFiles.memory) await files.setMode(path, await memoryMode(files, path));
      else await files.setMode(path, 0o400);
    }
    const { rootfs, kernel, initrd } = image;
    await this.#writeRecord(staging, {
      schemaVersion: 1,
      image: { rootfs, kernel, initrd },
      imageStamps: await imageStamps(files, image),
      stamps: await this.#stamps(staging),
      hostBoot: await hostBootId(files),
    });
    await files.setMode(staging, 0o700);
    await files.remove(directory);
    await files.rename(staging, directory);
    return { key, saved: savedIn(directory) };
  }

  /** Computes the digests of a new template, which let it outlive the host's next start. */
  async seal({ key, saved }: Template): Promise<void> {
    const { files } = this.#platform;
    const directory = join(this.#root, key);
    const digests = await this.#digests(saved);
    const text = await readTextIfPresent(files, join(directory, recordName), recordLimitBytes);
    const record = text === undefined ? undefined : parseTemplateRecord(text);
    if (record !== undefined) await this.#writeRecord(directory, { ...record, digests });
  }

  /** All templates. */
  async list(): Promise<TemplateSummary[]> {
    const { files } = this.#platform;
    const summaries: TemplateSummary[] = [];
    for (const key of await this.#keys()) {
      const directory = join(this.#root, key);
      const status = await files.stat(join(directory, recordName));
      const record = await this.#record(key);
      if (status === undefined || record === undefined) continue;
      const sizes = templateFileKinds.map(async (kind) => await files.stat(savedIn(directory)[kind]));
      const allocatedBytes = (await Promise.all(sizes)).reduce(
        (sum, one) => sum + (one?.allocatedBytes ?? 0),
        0,
      );
      summaries.push({ key, image: record.image.rootfs, allocatedBytes, lastUsedMs: status.mtimeMs });
    }
    return summaries.toSorted((a, b) => b.lastUsedMs - a.lastUsedMs);
  }

  /** Removes a template. Machines that were restored from it go on. */
  async remove(key: string): Promise<void> {
    const { files } = this.#platform;
    await using staging = await this.stage();
    const doomed = join(staging.path, "doomed");
    try {
      await files.rename(join(this.#root, key), doomed);
    } catch (error) {
      if (!KelpieError.is(error) || error.code !== "not-found") throw error;
    }
  }

  /** Removes the templates of the image whose root file system is `rootfs`; how many there were. */
  async removeOfImage(rootfs: string): Promise<number> {
    const own = (await this.list()).filter(({ image }) => image === rootfs);
    for (const { key } of own) await this.remove(key);
    return own.length;
  }

  /**
   * Removes what is of no use: directories that dead processes were filling, templates that are damaged or whose image
   * is gone, and of the others the longest unused beyond `keep`.
   */
  async sweep(keep = keptTemplates): Promise<void> {
    const { files, processes } = this.#platform;
    for (const name of await this.#names()) {
      const pid = stagingPattern.exec(name)?.groups?.["pid"];
      const isAbandoned = pid !== undefined && !processes.isAlive(Number(pid));
      const known = impossiblePattern.test(name) ? await this.#impossible(name) : undefined;
      const isOutdated = known !== undefined && (await files.stat(known.rootfs)) === undefined;
      if (isAbandoned || isOutdated) await files.remove(join(this.#root, name));
    }
    for (const key of await this.#keys()) {
      const record = await this.#record(key);
      const isUseful = record !== undefined && (await files.stat(record.image.rootfs)) !== undefined;
      if (!isUseful) await this.remove(key);
    }
    for (const { key } of (await this.list()).slice(keep)) await this.remove(key);
  }

  async #whyNone(key: string): Promise<Lookup> {
    const known = await this.#impossible(`${key}.impossible`);
    return known === undefined ? { kind: "missing" } : { kind: "impossible", reason: known.reason };
  }

  async #impossible(name: string): Promise<{ rootfs: string; reason: string } | undefined> {
    const text = await readTextIfPresent(this.#platform.files, join(this.#root, name), recordLimitBytes);
    return text === undefined ? undefined : parseImpossible(text);
  }

  /** Why the files are not those of the digests; undefined where they are. */
  async #mismatch(directory: string, expected: PerFile | undefined): Promise<string | undefined> {
    if (expected === undefined) return "the host was started anew before its digests were computed";
    try {
      const found = await this.#digests(savedIn(directory));
      const bad = templateFileKinds.find((kind) => found[kind] !== expected[kind]);
      return bad === undefined ? undefined : `its ${bad} is not what was saved`;
    } catch (error) {
      if (KelpieError.is(error) && error.code === "not-found") return "a file of it is missing";
      throw error;
    }
  }

  async #digests(saved: SavedMachine): Promise<PerFile> {
    const { files } = this.#platform;
    const [memory, state, disk] = await Promise.all([
      sparseDigest(files, saved.memory),
      sparseDigest(files, saved.state),
      sparseDigest(files, saved.disk),
    ]);
    return { memory, state, disk };
  }

  async #stamps(directory: string): Promise<PerFile> {
    const stamp = async (kind: TemplateFile): Promise<string> =>
      (await fileStamp(this.#platform.files, savedIn(directory)[kind])) ?? "missing";
    const [memory, state, disk] = await Promise.all([stamp("memory"), stamp("state"), stamp("disk")]);
    return { memory, state, disk };
  }

  async #record(key: string): Promise<TemplateRecord | undefined> {
    const path = join(this.#root, key, recordName);
    const text = await readTextIfPresent(this.#platform.files, path, recordLimitBytes);
    return text === undefined ? undefined : parseTemplateRecord(text);
  }

  async #writeRecord(directory: string, record: TemplateRecord): Promise<void> {
    await writeFileAtomic(
      this.#platform,
      join(directory, recordName),
      serializeTemplateRecord(record),
      0o600,
    );
  }

  async #keys(): Promise<string[]> {
    return (await this.#names()).filter((name) => keyPattern.test(name));
  }

  async #names(): Promise<string[]> {
    const { files } = this.#platform;
    return (await files.stat(this.#root)) === undefined ? [] : await files.list(this.#root);
  }
}

/**
 * QEMU opens the memory for writing even where its writes stay in a copy, so its owner must be allowed to, or the group of
 * the QEMUs that are no user of ours. One that writes to it nevertheless changes its time, as only an owner could set that back.
 */
async function memoryMode(files: Platform["files"], path: string): Promise<number> {
  const status = await files.stat(path);
  return status?.gid === unprivilegedGid ? 0o660 : 0o600;
}

function savedIn(directory: string): SavedMachine {
  return {
    memory: join(directory, templateFiles.memory),
    state: join(directory, templateFiles.state),
    disk: join(directory, templateFiles.disk),
  };
}
