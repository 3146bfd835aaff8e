// Links for busybox's applets, as `busybox --install -s` makes them, without running it.

import { KelpieError } from "@kelpie/platform";
import { baseName } from "@kelpie/formats";
import { commandNames, readBytes, readText, type TreeEditor } from "../rootfs/image-tree.ts";

const maxBinaryBytes = 32 << 20;
const maxApplets = 2000;

/** Applets that would take a place that is another's. */
const reserved = new Set(["init", "linuxrc", "busybox"]);

/**
 * Links every applet of the executable to it where no package installed a command of that name. Where each belongs is
 * in a list beside it (Alpine's etc/busybox-paths.d); without one, all go to /usr/bin, by the table of names that the
 * executable holds.
 */
export async function linkApplets(editor: TreeEditor, binary: string): Promise<void> {
  const { tree } = editor;
  const list = await readText(tree, `/etc/busybox-paths.d/${baseName(binary)}`);
  const bytes = list === undefined ? await readBytes(tree, binary, maxBinaryBytes) : undefined;
  if (list === undefined && bytes === undefined) {
    throw new KelpieError("not-found", "There is no busybox whose applets could be linked", {
      where: binary,
    });
  }
  const paths =
    list === undefined
      ? appletNames(bytes ?? new Uint8Array(), binary).map((name) => `/usr/bin/${name}`)
      : list.split("\n").flatMap((line) => (line === "" ? [] : [`/${line}`]));
  const present = commandNames(tree);
  for (const path of paths) {
    const name = baseName(path);
    if (present.has(name) || reserved.has(name) || editor.stands(path)) continue;
    editor.link(path, binary);
  }
}

/**
 * The names in a busybox executable: NUL-terminated and in order, from "[" and "[[" to an empty one.
 *
 * @throws KelpieError `malformed` where there is no such table.
 */
export function appletNames(bytes: Uint8Array, where: string): readonly string[] {
  const binary = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = binary.indexOf("\0[\0[[\0", 0, "latin1");
  const names: string[] = [];
  for (let at = start + 1; start >= 0 && names.length < maxApplets; ) {
    const end = binary.indexOf(0, at);
    const name = end < 0 ? "" : binary.toString("latin1", at, end);
    if (!/^[[a-z0-9_.-]{1,32}$/.test(name)) break;
    names.push(name);
    at = end + 1;
  }
  if (names.length < 3) {
    throw new KelpieError("malformed", "No table of applets is in this executable", {
      expected: "a busybox",
      where,
    });
  }
  return names;
}
