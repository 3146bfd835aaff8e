// The kernel's source out of Debian's package of it: a .deb with the tree as one tar archive inside.

import { decompress, fileSource, readAr, readTar, type TarEntry } from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import { runStep } from "../../run-step.ts";

const sourceArchive = /^usr\/src\/linux-source-[0-9.]+\.tar\.xz$/;
const maxDataBytes = 2 ** 31;
const timeoutMs = 1_800_000;

export interface SourceRequest {
  /** The verified .deb. */
  readonly archive: string;
  /** Empty; the tree's own files come to stand in it. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Unpacks the tree with the host's tar, which is ten times as fast at xz as a program in JavaScript.
 *
 * @returns when the source was packed, in seconds since the epoch.
 * @throws KelpieError `not-found` where the package has no such archive, `malformed`, `process-failed`, `cancelled`.
 */
export async function unpackKernelSource(
  platform: Pick<Platform, "clock" | "files" | "processes">,
  { archive, directory, environment, signal }: SourceRequest,
): Promise<number> {
  const { files } = platform;
  const { sizeBytes = 0 } = (await files.stat(archive)) ?? {};
  for await (const member of readAr(fileSource(files, archive, 0, sizeBytes).open(signal), {
    where: archive,
  })) {
    if (!member.name.startsWith("data.tar")) continue;
    const where = `${archive}, ${member.name}`;
    const data = decompress(member.content, { maxOutputBytes: maxDataBytes, where });
    for await (const entry of readTar(data, { where })) {
      if (!isSource(entry)) continue;
      await runStep(platform, {
        what: "Unpacking the kernel's source",
        program: "tar",
        args: ["--extract", "--xz", "--file=-", "--strip-components=1", "--no-same-owner"],
        environment,
        cwd: directory,
        input: entry.content,
        timeoutMs,
        signal,
      });
      return entry.mtimeSeconds;
    }
  }
  throw new KelpieError("not-found", "A package has no kernel source", {
    expected: "usr/src/linux-source-<version>.tar.xz",
    where: archive,
  });
}

function isSource({ kind, path }: TarEntry): boolean {
  return kind === "file" && sourceArchive.test(path);
}
