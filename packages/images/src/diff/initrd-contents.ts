// What an image's initrd holds: its files, and the list of modules that it loads.

import { bytesSource, collect, decompress, readCpio } from "@kelpie/formats";
import type { Files } from "@kelpie/platform";

const maxInitrdBytes = 512 << 20;
const maxEntries = 10_000;
const modulesPath = "etc/kelpie/modules";

export interface InitrdContents {
  /** By path; of everything that is not a file, no bytes. */
  readonly files: ReadonlyMap<
    string,
    { readonly kind: string; readonly mode: number; readonly bytes: Uint8Array }
  >;
  /** The lines of /etc/kelpie/modules (docs/boot-contract.md); undefined where the initrd has no such file. */
  readonly moduleLines: readonly string[] | undefined;
}

/** Reads a compressed initrd. @throws KelpieError `not-found`, `malformed`, `limit-exceeded`, `unsafe-path`. */
export async function readInitrd(
  files: Pick<Files, "readFile">,
  path: string,
  signal?: AbortSignal,
): Promise<InitrdContents> {
  const packed = await files.readFile(path, maxInitrdBytes);
  const archive = decompress(bytesSource(packed).open(signal), {
    maxOutputBytes: maxInitrdBytes,
    where: path,
  });
  const found = new Map<string, { kind: string; mode: number; bytes: Uint8Array }>();
  for await (const { path: name, kind, mode, content } of readCpio(archive, {
    where: path,
    limits: { maxEntries },
  })) {
    found.set(name, { kind, mode, bytes: await collect(content, maxInitrdBytes, name) });
  }
  const list = found.get(modulesPath);
  const moduleLines =
    list === undefined
      ? undefined
      : new TextDecoder()
          .decode(list.bytes)
          .split("\n")
          .filter((line) => line !== "");
  return { files: found, moduleLines };
}
