// What is copied through a stream rather than a path: a file's bytes, or a directory as a tar archive.

import { KelpieError, printableLine } from "@kelpie/platform";
import { type CopyOptions, defaultMaxBytes, Meter } from "./copy.ts";

/** What comes of {@link openGuestPath}. */
export interface GuestStream {
  readonly kind: "file" | "tar";
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * A guest's file as its bytes, or a directory as a tar archive, whose reader must not trust it.
 *
 * @throws KelpieError `not-found`, `unsupported` for what is neither; `limit-exceeded` while it is read
 */
export async function openGuestPath(options: CopyOptions, path: string): Promise<GuestStream> {
  const { files, signal, maxBytes = defaultMaxBytes, onProgress } = options;
  const kind = (await files.stat(path, { signal }))?.kind;
  const meter = new Meter(onProgress);
  if (kind === "file") return { kind, content: meter.count(files.read(path, { signal }), maxBytes) };
  if (kind === "directory") {
    return { kind: "tar", content: meter.count(files.tarOut(path, { signal }), maxBytes) };
  }
  const where = printableLine(path);
  throw kind === undefined
    ? new KelpieError("not-found", "There is no such file in the sandbox", { where })
    : new KelpieError("unsupported", `A ${kind} cannot be copied`, { where });
}

/** Copies bytes to a file of the guest, all or nothing; to a directory, or a path with a slash at its end, a tar archive's content. */
export async function copyStreamIn(
  options: CopyOptions,
  content: AsyncIterable<Uint8Array>,
  destination: string,
): Promise<number> {
  const { files, signal, owner, onProgress } = options;
  const meter = new Meter(onProgress);
  const rest = { signal, ...(owner === undefined ? {} : { owner }) };
  const there = await files.stat(destination, { signal });
  if (there === undefined && destination.endsWith("/")) {
    await files.mkdir(destination, { parents: true, signal });
  }
  if (destination.endsWith("/") || there?.kind === "directory") {
    await files.tarIn(destination, meter.count(content), rest);
  } else {
    await files.write(destination, meter.count(content), rest);
  }
  return meter.bytes;
}
