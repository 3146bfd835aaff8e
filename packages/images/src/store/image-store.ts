// The image store: complete images under KELPIE_HOME/images, each appearing and vanishing as a whole.

import { join } from "node:path";
import {
  acquireFileLock,
  type Architecture,
  type FileLock,
  KelpieError,
  type Platform,
  randomHex,
} from "@kelpie/platform";
import {
  type ImageFileName,
  imageFileNames,
  type ImageMetadata,
  maxMetadataBytes,
  parseImageMetadata,
  serializeImageMetadata,
} from "../metadata/image-metadata.ts";
import { type ImageVersion, parseImageVersion } from "../version/image-version.ts";
import { type BrokenImage, summarize } from "./cache-index.ts";
import {
  imageDirectoryName,
  nameOfReplaced,
  parseImageDirectoryName,
  replacedName,
  stagingName,
  stagingOwner,
} from "./layout.ts";

/** An image of the store. */
export interface StoredImage {
  readonly version: ImageVersion;
  readonly architecture: Architecture;
  /** The name in the image's spec. */
  readonly name: string;
  readonly distribution: string;
  readonly kernelRelease: string;
  readonly buildDate: string;
  /** Of all its files together. */
  readonly sizeBytes: number;
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
    const names = (await files.list(this.#root)).filter(
      (name) => parseImageDirectoryName(name, host.architecture) !== undefined,
    );
    const { images, broken } = await summarize(this.#platform, this.#root, names);
    return {
      broken,
      images: images.flatMap((summary) => {
        const identity = parseImageDirectoryName(summary.directory, host.architecture);
        return identity === undefined
          ? []
          : [{ ...summary, ...identity, directory: join(this.#root, summary.directory) }];
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
   * `vmlinuz` and `initrd` into the directory that it is given and returns what describes them. Nothing is visible in the
   * store until all of it is on the disk, and nothing remains if `fill` fails.
   */
  async add(fill: (directory: string) => Promise<ImageMetadata>): Promise<StoredImage> {
    const { files, host, random } = this.#platform;
    await files.makeDirectory(this.#root);
    {
      await using _lock = await this.#lock("sweeping");
      await this.#sweep();
    }
    const staging = join(this.#root, stagingName(host.pid, randomHex(random, 6)));
    await files.makeNewDirectory(staging, 0o755);
    try {
      const metadata = await fill(staging);
      await this.#seal(staging, metadata);
      const version = parseImageVersion(metadata.version);
      const name = imageDirectoryName(version, metadata.architecture, host.architecture);
      await using _lock = await this.#lock(`installing ${name}`);
      await this.#install(staging, name);
      return await this.#added(name);
    } catch (error) {
      await files.remove(staging);
      throw error;
    }
  }

  /** Removes an image; a listing never sees a part of it. */
  async remove(image: StoredImage): Promise<void> {
    const { files, host, random } = this.#platform;
    const doomed = join(this.#root, stagingName(host.pid, randomHex(random, 6)));
    await using _lock = await this.#lock(`removing ${image.directory}`);
    await files.rename(image.directory, doomed);
    await files.remove(doomed);
    await this.list();
  }

  #lock(purpose: string): Promise<FileLock> {
    return acquireFileLock(this.#platform, join(this.#root, ".lock"), { purpose });
  }

  /** Writes metadata.json, checks the files against it, and waits until everything is on the disk. */
  async #seal(staging: string, metadata: ImageMetadata): Promise<void> {
    const { files } = this.#platform;
    {
      await using handle = await files.open(join(staging, "metadata.json"), "create", 0o644);
      await handle.write(serializeImageMetadata(metadata), 0);
      await handle.sync();
    }
    for (const file of imageFileNames) {
      await using handle = await files.open(join(staging, file), "update");
      const { sizeBytes } = await handle.stat();
      if (sizeBytes !== metadata.files[file].sizeBytes) {
        throw new KelpieError("internal", `${file} is not what its metadata says`, {
          expected: `${metadata.files[file].sizeBytes} bytes`,
          found: `${sizeBytes}`,
        });
      }
      await handle.sync();
    }
    await files.syncDirectory(staging);
  }

  /**
   * Moves a finished directory to its name. Where an image stands there already it is set aside first: a crash between
   * the two renames is mended by the next sweep, which puts it back.
   */
  async #install(staging: string, name: string): Promise<void> {
    const { files } = this.#platform;
    const target = join(this.#root, name);
    const aside = join(this.#root, replacedName(name));
    if ((await files.lstat(target)) !== undefined) {
      await files.remove(aside);
      await files.rename(target, aside);
    }
    await files.rename(staging, target);
    await files.syncDirectory(this.#root);
    await files.remove(aside);
  }

  async #added(name: string): Promise<StoredImage> {
    const { images } = await this.list();
    const image = images.find((candidate) => candidate.directory === join(this.#root, name));
    if (image === undefined)
      throw new KelpieError("internal", "The image just added is not in the store", { where: name });
    return image;
  }

  /** Removes what dead processes left, and puts back an image whose replacement never came. */
  async #sweep(): Promise<void> {
    const { files, processes } = this.#platform;
    for (const name of await files.list(this.#root)) {
      const path = join(this.#root, name);
      const owner = stagingOwner(name);
      if (owner !== undefined && !processes.isAlive(owner)) await files.remove(path);
      const original = nameOfReplaced(name);
      if (original === undefined) continue;
      const target = join(this.#root, original);
      if ((await files.lstat(target)) === undefined) await files.rename(path, target);
      else await files.remove(path);
    }
  }
}
