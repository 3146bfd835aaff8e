// Files and directories copied out of a guest.

import { dirname, join, posix } from "node:path";
import { type FileStatus, KelpieError, type Platform, printableLine } from "@kelpie/platform";
import { type Copied, type CopyOptions, defaultMaxBytes, maxEntries, Meter } from "./copy.ts";
import { extractTar, hostTimeMs, replace, writeNewFile } from "./extract-tar.ts";
import { expandGuestPath } from "./glob.ts";

/**
 * Copies a guest's absolute paths, which may have wildcards, to the host: into the destination where that is a
 * directory, ends with a slash or takes several; else under its name. What comes belongs to the calling user.
 *
 * @throws KelpieError `not-found`, `unsafe-path` and `malformed` for what a hostile guest sends, `limit-exceeded`
 */
export async function copyOut(
  options: CopyOptions,
  sources: readonly string[],
  destination: string,
): Promise<Copied> {
  const { platform, files: guest, signal } = options;
  const paths: string[] = [];
  for (const source of sources) {
    const found = await expandGuestPath(guest, source, signal);
    if (found.length === 0) throw missing(source);
    paths.push(...found);
  }
  const there = await platform.files.stat(destination);
  const isInto = paths.length > 1 || destination.endsWith("/") || there?.kind === "directory";
  if (isInto) await platform.files.makeDirectory(destination);
  const alone = isInto ? destination : await hostTarget(platform.files, destination, there);
  const meter = new Meter(options.onProgress);
  const skipped: string[] = [];
  for (const path of paths) {
    const name = posix.basename(path);
    if (isInto && (name === "" || name === "." || name === "..")) {
      throw new KelpieError("usage", "The copy of this path needs a name of its own", {
        where: printableLine(path),
      });
    }
    skipped.push(...(await copyOne(options, path, isInto ? join(destination, name) : alone, meter)));
  }
  return { bytes: meter.bytes, skipped };
}

async function copyOne(
  { platform, files: guest, signal, maxBytes = defaultMaxBytes }: CopyOptions,
  path: string,
  target: string,
  meter: Meter,
): Promise<readonly string[]> {
  const { files } = platform;
  const status = await guest.stat(path, { signal });
  if (status === undefined) throw missing(path);
  switch (status.kind) {
    case "directory": {
      await files.makeDirectory(target);
      const archive = meter.count(guest.tarOut(path, { signal }));
      const { skipped } = await extractTar(platform, archive, target, { maxEntries, maxBytes });
      return skipped.map((line) => printableLine(`${path}/${line}`));
    }
    case "file": {
      await replace(platform, target, async (temporary) => {
        await writeNewFile(files, temporary, meter.count(guest.read(path, { signal })), maxBytes);
        await files.setMode(temporary, status.mode & 0o777);
        await files.setModifiedTime(temporary, hostTimeMs(status.modifiedMs));
      });
      return [];
    }
    case "symlink":
    case "fifo":
    case "socket":
    case "character-device":
    case "block-device":
    case "unknown":
      throw new KelpieError("unsupported", `A ${status.kind} cannot be copied`, {
        where: printableLine(path),
      });
    default:
      return status.kind satisfies never;
  }
}

/** Where a file goes that is to be called so: what a link of the person's names is replaced, and not the link. */
async function hostTarget(
  files: Platform["files"],
  path: string,
  there: FileStatus | undefined,
): Promise<string> {
  if (there !== undefined) {
    if (there.kind === "file") return await files.realPath(path);
    throw new KelpieError("already-exists", `A file cannot take the place of a ${there.kind}`, {
      where: path,
      help: "To have a file's bytes on standard output, copy to -",
    });
  }
  const directory = dirname(path);
  if ((await files.stat(directory))?.kind === "directory") return path;
  throw new KelpieError("not-found", "There is no such directory to copy to", {
    where: directory,
    help: `To have it made and copied into, end the destination with a slash: ${path}/`,
  });
}

function missing(path: string): KelpieError {
  return new KelpieError("not-found", "There is no such file in the sandbox", {
    where: printableLine(path),
  });
}
