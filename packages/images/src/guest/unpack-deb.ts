// Unpacks a verified .deb into a directory, for tools that are run from there and never installed.

import { dirname, join, relative } from "node:path";
import { decompress, fileSource, readAr, readTar, type TarEntry } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";

const maxDataBytes = 2 ** 31;

/**
 * Writes the files and links for whose path `wanted` holds; a second file of one path replaces the first.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path` for what leads out of the directory or through a link.
 */
export async function unpackDeb(
  files: Files,
  archive: string,
  directory: string,
  wanted: (path: string) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  const { sizeBytes = 0 } = (await files.stat(archive)) ?? {};
  const source = fileSource(files, archive, 0, sizeBytes).open(signal);
  for await (const member of readAr(source, { where: archive })) {
    if (!member.name.startsWith("data.tar")) continue;
    const where = `${archive}, ${member.name}`;
    const data = decompress(member.content, { maxOutputBytes: maxDataBytes, where });
    const links = new Set<string>();
    for await (const entry of readTar(data, { where })) {
      if (wanted(entry.path)) await write(files, directory, entry, links);
    }
  }
}

async function write(files: Files, directory: string, entry: TarEntry, links: Set<string>): Promise<void> {
  const path = join(directory, entry.path);
  for (let above = dirname(entry.path); above !== "."; above = dirname(above)) {
    if (!links.has(above)) continue;
    throw new KelpieError("unsafe-path", "A package puts a file behind a link", { where: entry.path });
  }
  await files.makeDirectory(entry.kind === "directory" ? path : dirname(path));
  switch (entry.kind) {
    case "directory":
      return;
    case "file": {
      await files.remove(path);
      await using handle = await files.open(path, "create", (entry.mode & 0o111) === 0 ? 0o644 : 0o755);
      let position = 0;
      for await (const chunk of entry.content) {
        await handle.write(chunk, position);
        position += chunk.length;
      }
      return;
    }
    case "symlink":
      links.add(entry.path);
      await files.remove(path);
      await files.symlink(linkTarget(entry), path);
      return;
    case "hard-link":
      await files.remove(path);
      await files.hardLink(join(directory, entry.linkTarget), path);
      return;
    case "character-device":
    case "block-device":
    case "fifo":
      throw new KelpieError("unsupported", "A package of a tool carries a device", { where: entry.path });
    default:
      entry.kind satisfies never;
  }
}

/** A link from the root of the system leads from the root of the directory. */
function linkTarget({ path, linkTarget: target }: TarEntry): string {
  return target.startsWith("/") ? relative(dirname(`/${path}`), target) : target;
}
