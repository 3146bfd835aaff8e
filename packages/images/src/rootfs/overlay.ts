// A directory of the host as a part of an image.

import { join } from "node:path";
import { fileSource } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";
import { lookUp, putAt, type TreeEditor } from "./image-tree.ts";

const maxEntries = 1_000_000;

/**
 * Lays the content of a directory over the tree. All of it is root's; a file that its owner may execute is 0755, another
 * 0644, so that neither who builds nor their umask changes the image. Directories that are there keep their owner and mode.
 *
 * @throws KelpieError `unsupported` for anything but files, directories and symlinks.
 */
export async function overlayDirectory(
  files: Pick<Files, "open" | "list" | "lstat" | "readLink">,
  editor: TreeEditor,
  directory: string,
): Promise<void> {
  const budget = { left: maxEntries };
  await overlay(files, editor, directory, "", budget);
}

async function overlay(
  files: Pick<Files, "open" | "list" | "lstat" | "readLink">,
  editor: TreeEditor,
  directory: string,
  prefix: string,
  budget: { left: number },
): Promise<void> {
  for (const name of await files.list(directory)) {
    const source = join(directory, name);
    const path = `${prefix}/${name}`;
    const status = await files.lstat(source);
    if (--budget.left < 0)
      throw new KelpieError("limit-exceeded", "An overlay has too many entries", {
        expected: `${maxEntries}`,
      });
    if (status === undefined)
      throw new KelpieError("not-found", "An overlay changed while it was read", { where: source });
    switch (status.kind) {
      case "directory":
        if (lookUp(editor.tree, path)?.kind !== "directory") editor.directory(path, { mode: 0o755 });
        await overlay(files, editor, source, path, budget);
        break;
      case "symlink":
        editor.link(path, await files.readLink(source));
        break;
      case "file":
        putAt(editor.tree, path, {
          kind: "file",
          mode: (status.mode & 0o100) === 0 ? 0o644 : 0o755,
          uid: 0,
          gid: 0,
          mtimeSeconds: editor.mtimeSeconds,
          content: fileSource(files, source, 0, status.sizeBytes),
        });
        break;
      case "socket":
      case "fifo":
      case "device":
        throw new KelpieError("unsupported", "An overlay holds something that an image cannot take from it", {
          expected: "files, directories and symlinks",
          found: `a ${status.kind}`,
          where: source,
        });
      default:
        status.kind satisfies never;
    }
  }
}
