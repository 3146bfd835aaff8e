// The image store: complete images under KELPIE_HOME/images, each appearing and vanishing as a whole.

import { join } from "node:path";
import {
  acquireFileLock,
  type Architecture,
  type FileLock,
  type FileLockOptions,
  identifyProcess,
  KelpieError,
  type Platform,
  randomHex,
} from "@kelpie/platform";
import {
  type ImageFileName,
  imageFiles,
  type ImageMetadata,
  type KernelFileName,
  maxMetadataBytes,
  parseImageMetadata,
} from "../metadata/image-metadata.ts";
import { formatImageVersion, type ImageVersion, parseImageVersion } from "../version/image-version.ts";
import { type BrokenImage, summarize } from "./cache-index.ts";
import { installImage, sealImage } from "./install.ts";
import { imageDirectoryName, parseImageDirectoryName, stagingName } from "./layout.ts";
import { type ImageLease, leaseHolders, type LeaseOptions, refuseIfLeased, writeLease } from "./leases.ts";
import type { PruneCandidate } from "./prune.ts";
import { sweepStore } from "./repair.ts";
import { sweepContents } from "./shared-content.ts";
import { hasLeftovers, lockPath, sweepLeftovers, type Swept } from "./sweep.ts";
import { changeTags, checkTagName, namesOf, readTags, type Tags, withoutVersions } from "./tags.ts";
import { checkOnUse, isUnwritable } from "./verified.ts";

/** Digests of an image's files. */
export type StoredFiles = ImageMetadata["files"];

/** An image of the store. */
export interface StoredImage {
  readonly version: ImageVersion;
  readonly architecture: Architecture;
  /** The name in the image's spec. */
  readonly name: string;
  readonly distribution: string;
  readonly kernelRelease: string;
  /** What a sandbox of it is called that has no name of its own. */
  readonly hostname: string;
  readonly buildDate: string;
  /** Of all its files together. */
  readonly sizeBytes: number;
  readonly files: StoredFiles;
  /** What QEMU is given as the kernel. */
  readonly qemuKernel: KernelFileName;
  /** Whether the kernel mounts the root file system by itself. */
  readonly mountsRoot: boolean;
  /** Names that a person has given to its version. */
  readonly tags: readonly string[];
  /** References of registries that it was fetched by. */
  readonly references: readonly string[];
  readonly directory: string;
}

/** What stands in the store. */
export interface StoreListing {
  /** In the order of their directories' names. */
  readonly images: readonly StoredImage[];
  /** Directories that should be images and cannot be used. */
  readonly broken: readonly BrokenImage[];
}

/** The path of one of an image's files. */
export function imageFile(image: StoredImage, file: ImageFileName): string {
  return join(image.directory, file);
}

/** Images under one KELPIE_HOME. Any number of processes may use it at once. */
export class ImageStore {
  readonly #platform: Platform;
  readonly #root: string;

  constructor(platform: Platform, home: string) {
    this.#platform = platform;
    this.#root = join(home, "images");
  }

  /** All images; a store that does not exist yet is empty. */
  async list(): Promise<StoreListing> {
    const { files, host } = this.#platform;
    if ((await files.stat(this.#root)) === undefined) return { images: [], broken: [] };
    let names = await files.list(this.#root);
    if (await hasLeftovers(this.#platform, names)) {
      await this.#sweepIfFree();
      names = await files.list(this.#root);
    }
    const identities = new Map(
      names.flatMap((name) => {
        const identity = parseImageDirectoryName(name, host.architecture);
        return identity === undefined ? [] : [[name, identity] as const];
      }),
    );
    const { images, broken } = await summarize(this.#platform, this.#root, [...identities.keys()]);
    const tags = await readTags(this.#platform, this.#root);
    return {
      broken,
      images: images.flatMap(({ stamp: _stamp, ...summary }) => {
        const identity = identities.get(summary.directory);
        if (identity === undefined) return [];
        const version = formatImageVersion(identity.version);
        return {
          ...summary,
          ...identity,
          tags: namesOf(tags.tags, version),
          references: namesOf(tags.references, version),
          directory: `${this.#root}/${summary.directory}`,
        };
      }),
    };
  }

  /** An image's metadata.json. @throws KelpieError `not-found`, `malformed`. */
  async metadata(image: StoredImage): Promise<ImageMetadata> {
    const path = join(image.directory, "metadata.json");
    return parseImageMetadata(await this.#platform.files.readFile(path, maxMetadataBytes), path);
  }

  /**
   * Adds an image, or takes the place of the one with the same version and architecture. `fill` writes `rootfs.ext4`,
   * `vmlinuz` and `initrd` into the directory that it is given and returns what describes them, having hashed them. Nothing
   * is visible in the store until all of it is on the disk, and nothing remains if `fill` fails.
   *
   * @throws KelpieError `in-use` where the image of that version is another one and somebody uses it.
   */
  async add(fill: (directory: string) => Promise<ImageMetadata>): Promise<StoredImage> {
    const { files, host } = this.#platform;
    await files.makeDirectory(this.#root);
    {
      await using _lock = await this.#lock("sweeping");
      await sweepLeftovers(this.#platform, this.#root);
    }
    const staging = await this.#stagingPath();
    await files.makeNewDirectory(staging, 0o755);
    try {
      const metadata = await fill(staging);
      await sealImage(this.#platform, staging, metadata);
      const version = parseImageVersion(metadata.version);
      const name = imageDirectoryName(version, metadata.architecture, host.architecture);
      await using _lock = await this.#lock(`installing ${name}`);
      await installImage(this.#platform, this.#root, staging, name, metadata);
      return await this.#added(name);
    } catch (error) {
      await files.remove(staging);
      throw error;
    }
  }

  /** Removes an image; a listing never sees a part of it. @throws KelpieError `in-use`, naming who uses it. */
  async remove(image: StoredImage): Promise<void> {
    const { files } = this.#platform;
    const doomed = await this.#stagingPath();
    await using _lock = await this.#lock(`removing ${image.directory}`);
    const name = this.#nameOf(image);
    await refuseIfLeased(this.#platform, this.#root, name, "remove");
    await files.rename(image.directory, doomed);
    await files.remove(doomed);
    await files.remove(join(this.#root, ".leases", name));
    await sweepContents(this.#platform, this.#root);
    const { images } = await this.list();
    const versions = new Set(images.map(({ version }) => formatImageVersion(version)));
    await changeTags(this.#platform, this.#root, (tags) => withoutVersions(tags, versions));
  }

  /**
   * Makes sure that every file of an image is what it was when it was added: by its size, time and inode where those have
   * not changed, by hashing it where they have.
   *
   * @throws KelpieError `not-found`, `digest-mismatch`.
   */
  async verifyOnUse(image: StoredImage, signal?: AbortSignal): Promise<void> {
    await Promise.all(
      imageFiles(image).map(({ name, ...digest }) =>
        checkOnUse(this.#platform, this.#root, imageFile(image, name), digest, signal),
      ),
    );
  }

  /**
   * Keeps an image from being removed or replaced until the lease is disposed or its process or path is gone.
   *
   * @throws KelpieError `not-found` where the image has been removed meanwhile.
   */
  async lease(image: StoredImage, options: LeaseOptions): Promise<ImageLease> {
    const { files } = this.#platform;
    const name = this.#nameOf(image);
    const lock = await this.#lockIfWritable(`leasing ${name}`);
    try {
      if ((await files.stat(image.directory)) === undefined)
        throw new KelpieError("not-found", "The image has been removed", { where: image.directory });
      if (lock === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() };
      return await writeLease(this.#platform, this.#root, name, options);
    } finally {
      await lock?.[Symbol.asyncDispose]();
    }
  }

  /** Lets `tag` name an image's version, whatever it named before. @throws KelpieError `usage` for what cannot be a tag. */
  async tag(image: StoredImage, tag: string): Promise<void> {
    const version = formatImageVersion(image.version);
    const name = checkTagName(tag);
    await this.#changeTags((tags) => ({ ...tags, tags: { ...tags.tags, [name]: version } }));
  }

  /** @throws KelpieError `not-found`. */
  async untag(tag: string): Promise<void> {
    await this.#changeTags((tags) => {
      const { [tag]: version, ...others } = tags.tags;
      if (version === undefined)
        throw new KelpieError("not-found", `There is no tag ${JSON.stringify(tag)}`, { where: this.#root });
      return { ...tags, tags: others };
    });
  }

  /** Remembers what a reference to a registry has led to. */
  async recordReference(image: StoredImage, reference: string): Promise<void> {
    const version = formatImageVersion(image.version);
    await this.#changeTags((tags) =>
      tags.references[reference] === version
        ? tags
        : { ...tags, references: { ...tags.references, [reference]: version } },
    );
  }

  /** All images, with what `planPrune` needs to know of them. A lease is a use. */
  async pruneCandidates(): Promise<readonly (PruneCandidate & { readonly image: StoredImage })[]> {
    const { files } = this.#platform;
    const { images } = await this.list();
    return await Promise.all(
      images.map(async (image) => {
        const name = this.#nameOf(image);
        const added = await files.stat(join(image.directory, "metadata.json"));
        const used = await files.stat(join(this.#root, ".leases", name));
        const addedMs = added?.mtimeMs ?? 0;
        const holders = await leaseHolders(this.#platform, this.#root, name);
        return { image, addedMs, usedMs: Math.max(addedMs, used?.mtimeMs ?? 0), holders };
      }),
    );
  }

  /** Makes cache.json anew and sweeps what nobody needs. With `removeBroken`, directories that are no images go too. */
  async repair(removeBroken: boolean): Promise<StoreListing & Swept> {
    const { files } = this.#platform;
    await files.makeDirectory(this.#root);
    await using _lock = await this.#lock("repairing");
    const before = await this.list();
    const doomed = removeBroken ? before.broken : [];
    for (const { directory } of doomed) await files.remove(join(this.#root, directory));
    const names = new Set(before.images.map((image) => this.#nameOf(image)));
    const swept = await sweepStore(this.#platform, this.#root, names);
    const versions = new Set(before.images.map(({ version }) => formatImageVersion(version)));
    await changeTags(this.#platform, this.#root, (tags) => withoutVersions(tags, versions));
    const removed = [...swept.removed, ...doomed.map(({ directory }) => directory)];
    return { ...(await this.list()), removed, freedBytes: swept.freedBytes };
  }

  async #changeTags(change: (tags: Tags) => Tags): Promise<void> {
    await using _lock = await this.#lock("tagging");
    await changeTags(this.#platform, this.#root, change);
  }

  #nameOf(image: StoredImage): string {
    return imageDirectoryName(image.version, image.architecture, this.#platform.host.architecture);
  }

  #lock(purpose: string, options: Partial<FileLockOptions> = {}): Promise<FileLock> {
    return acquireFileLock(this.#platform, lockPath(this.#root), { ...options, purpose });
  }

  /** Who only looks waits for nobody, and changes nothing that it may not. */
  async #sweepIfFree(): Promise<void> {
    try {
      await using _lock = await this.#lock("sweeping", { timeoutMs: 0 });
      await sweepLeftovers(this.#platform, this.#root);
    } catch (error) {
      const isBusy = KelpieError.is(error) && error.code === "in-use";
      if (!isBusy && !isUnwritable(error)) throw error;
    }
  }

  async #stagingPath(): Promise<string> {
    const { files, host, random } = this.#platform;
    return join(this.#root, stagingName(await identifyProcess(files, host.pid), randomHex(random, 6)));
  }

  /** Who cannot write the store takes no lock and leaves no lease: it is for its owner to know who reads it. */
  async #lockIfWritable(purpose: string): Promise<FileLock | undefined> {
    try {
      return await this.#lock(purpose);
    } catch (error) {
      if (KelpieError.is(error) && ["read-only", "permission-denied"].includes(error.code)) return undefined;
      throw error;
    }
  }

  async #added(name: string): Promise<StoredImage> {
    const { images } = await this.list();
    const image = images.find((candidate) => candidate.directory === join(this.#root, name));
    if (image === undefined)
      throw new KelpieError("internal", "The image just added is not in the store", { where: name });
    return image;
  }
}
