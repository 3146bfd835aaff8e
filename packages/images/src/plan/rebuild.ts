// Builds an image of the store once more and says whether it comes out the same.

import { join, resolve } from "node:path";
import { type BuildOptions, buildImage } from "../build/build-image.ts";
import { cacheDirectory } from "../build/source-options.ts";
import { type Change, diffMetadata } from "../diff/image-diff.ts";
import {
  attachmentNames,
  describedFile,
  imageFileNames,
  type ImageMetadata,
  isAttachmentName,
  type StoredFileName,
} from "../metadata/image-metadata.ts";
import { ImageStore, type StoredImage } from "../store/image-store.ts";
import type { ReleaseVersion } from "../version/image-version.ts";
import type { SourceIdentity } from "../version/source-identity.ts";
import { sha256Of } from "./host-files.ts";

/** What an image was built as: a build of the same is given the same. */
export interface BuiltAs {
  readonly release: ReleaseVersion;
  readonly source: SourceIdentity;
}

/** The version, commit and time that an image was built with. */
export function builtAs({ version }: StoredImage, { gitSha, buildDate }: ImageMetadata): BuiltAs {
  const { major, minor, patch, prerelease } = version;
  return {
    release: { major, minor, patch, prerelease },
    source: { gitSha, epochSeconds: Date.parse(buildDate) / 1000 },
  };
}

/** What differs between an image and the same built once more. Nothing where it is reproduced. */
export interface Rebuilt {
  /** Files whose bytes, as they lie on the disk, are not those of the new build. */
  readonly files: readonly Change[];
  /** What the metadata says of the reason. */
  readonly metadata: readonly Change[];
  readonly packages: readonly Change[];
}

/**
 * Builds in a directory that is removed afterwards, from the same cache. The store is not changed.
 *
 * @throws KelpieError as {@link buildImage}.
 */
export async function rebuildImage(
  options: Omit<BuildOptions, keyof BuiltAs>,
  image: StoredImage,
): Promise<Rebuilt> {
  const { platform, home } = options;
  const { files } = platform;
  const stored = await new ImageStore(platform, home).metadata(image);
  await using scratch = await files.temporaryDirectory("kelpie-rebuild-");
  const cache = resolve(cacheDirectory(options));
  await files.makeDirectory(cache);
  await files.symlink(cache, cacheDirectory({ home: scratch.path }));
  const built = await buildImage({ ...options, ...builtAs(image, stored), home: scratch.path });
  const fresh = await new ImageStore(platform, scratch.path).metadata(built.image);
  const changed: Change[] = [];
  for (const name of [...imageFileNames, ...attachmentNames, "metadata.json" as const]) {
    const path = join(image.directory, name);
    const isMetadata = name === "metadata.json";
    // An attachment that did not come along with the image is proven by the digest in metadata.json.
    const isProven = !isMetadata && (isAttachmentName(name) || describedFile(stored, name) === undefined);
    const isAbsent = isProven && (await files.stat(path)) === undefined;
    const before = isAbsent ? stated(stored, name) : await sha256Of(files, path);
    const after = isMetadata ? await sha256Of(files, join(built.image.directory, name)) : stated(fresh, name);
    if (before !== after) changed.push({ name, before, after });
  }
  const { metadata, packages } = diffMetadata(stored, fresh);
  return { files: changed, metadata, packages };
}

function stated(metadata: ImageMetadata, name: StoredFileName): string | undefined {
  const file = describedFile(metadata, name);
  return file === undefined ? undefined : `sha256:${file.sha256}`;
}
