// Alpine's repositories as a spec names them: its keys read, and a way out where the mirror cannot be reached.

import { basename, join } from "node:path";
import { type Files, KelpieError } from "@kelpie/platform";
import type { AlpineRepository } from "@kelpie/repositories";
import type { SourceOptions } from "./sources.ts";

const maxKeyBytes = 16 * 1024;
const maxKeys = 1000;

/** @throws KelpieError `unreachable` with the mirror, the cause and the command for the other spec. */
export async function openAlpine(
  { platform, home, spec, services, offline, signal }: SourceOptions,
  note: (text: string) => void,
): Promise<AlpineRepository> {
  const { alpine } = spec.repositories;
  if (alpine.length === 0) {
    throw new KelpieError("invalid-input", "The spec names no Alpine repository", {
      help: "Add `repositories: {alpine: [{url: https://dl-cdn.alpinelinux.org/alpine/v3.19/main}]}`.",
    });
  }
  const keys = await readKeys(platform.files, spec.keys.alpine);
  try {
    return await services.openAlpine({
      platform,
      cacheDirectory: join(home, "cache"),
      repositories: alpine,
      architecture: spec.architecture,
      keys,
      offline,
      signal,
      onProgress: ({ name }) => note(name),
    });
  } catch (cause) {
    if (!KelpieError.is(cause) || (cause.code !== "unreachable" && cause.code !== "timeout")) throw cause;
    throw new KelpieError("unreachable", "Alpine's mirror cannot be reached", {
      where: alpine.map(({ url }) => url).join(", "),
      found: cause.message,
      help: `Build from Debian instead: kelpie images build --spec images/kelpie-debian.yaml --arch ${spec.architecture}\nOr name another mirror under \`repositories.alpine\` of the spec.`,
      cause,
    });
  }
}

/** Public keys by the names of their files, from files and from directories of `*.pub`. */
async function readKeys(files: Files, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>();
  for (const path of paths) {
    const status = await files.stat(path);
    if (status === undefined)
      throw new KelpieError("not-found", "A repository's key is not there", { where: path });
    const found =
      status.kind === "directory"
        ? (await files.list(path)).filter((name) => name.endsWith(".pub")).map((name) => join(path, name))
        : [path];
    for (const file of found.slice(0, maxKeys)) {
      keys.set(basename(file), new TextDecoder().decode(await files.readFile(file, maxKeyBytes)));
    }
  }
  return keys;
}
