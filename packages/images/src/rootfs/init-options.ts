// What a spec asks of kelpie-init: services that it runs, and file systems that it mounts (docs/boot-contract.md).

import { fileSource } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";
import type { InitOptions } from "../spec/image-spec.ts";
import type { MountSpec } from "../spec/schema.ts";
import { putAt, readText, type TreeEditor } from "./image-tree.ts";

const services = "/etc/kelpie/init.d";
const fstab = "/etc/fstab";

/** Puts services, in the spec's order, and adds to what packages have put into /etc/fstab. */
export async function putInitOptions(
  files: Pick<Files, "open" | "stat">,
  editor: TreeEditor,
  { init }: { readonly init: InitOptions },
): Promise<void> {
  for (const [index, service] of init.services.entries()) {
    // kelpie-init goes by the names' order.
    const path = `${services}/${String((index + 1) * 10).padStart(4, "0")}-${service.name}`;
    if ("content" in service) editor.text(path, service.content, { mode: 0o755 });
    else await putProgram(files, editor, path, service.source);
  }
  if (init.mounts.length === 0) return;
  const before = (await readText(editor.tree, fstab)) ?? "";
  const separator = before === "" || before.endsWith("\n") ? "" : "\n";
  editor.text(fstab, `${before}${separator}${init.mounts.map(fstabLine).join("")}`, { mode: 0o644 });
  for (const { path } of init.mounts) editor.directory(path, { mode: 0o755 });
}

async function putProgram(
  files: Pick<Files, "open" | "stat">,
  editor: TreeEditor,
  path: string,
  source: string,
): Promise<void> {
  const status = await files.stat(source);
  if (status?.kind !== "file")
    throw new KelpieError("not-found", "The source of a service is not a file", { where: source });
  const { mtimeSeconds } = editor;
  const content = fileSource(files, source, 0, status.sizeBytes);
  putAt(editor.tree, path, { kind: "file", mode: 0o755, uid: 0, gid: 0, mtimeSeconds, content });
}

/** As fstab(5): white space and backslashes in octal. */
function fstabLine({ source, path, type, options = ["defaults"] }: MountSpec): string {
  const word = (text: string): string =>
    text.replace(/[\s\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return `${[source, path, type, options.join(",")].map(word).join("\t")}\t0\t0\n`;
}
