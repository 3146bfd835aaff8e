// A spec's users, groups and files, put into the tree.

import { fileSource } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";
import type { ImageSpec } from "../spec/image-spec.ts";
import type { FileSpec } from "../spec/schema.ts";
import { Accounts } from "./accounts.ts";
import { followLinks, putAt, type TreeEditor } from "./image-tree.ts";

/** Adds the spec's groups and users, with their home directories. */
export async function putAccounts(
  editor: TreeEditor,
  { users, groups }: Pick<ImageSpec, "users" | "groups">,
): Promise<void> {
  if (users.length === 0 && groups.length === 0) return;
  const accounts = await Accounts.read(editor.tree);
  for (const { name, gid } of groups) accounts.addGroup(name, gid);
  for (const { name, uid, group, comment, home = `/home/${name}`, shell = "/bin/sh" } of users) {
    const gid = group === undefined ? accounts.addGroup(name, uid) : accounts.gid(group);
    accounts.addUser({ name, uid, gid, comment, home, shell });
    editor.directory(home, { mode: 0o755, uid, gid });
  }
  for (const { name, groups: further = [] } of users) {
    for (const group of further) accounts.addMember(name, group);
  }
  for (const { name, members = [] } of groups) {
    for (const member of members) {
      accounts.uid(member);
      accounts.addMember(member, name);
    }
  }
  accounts.write(editor);
}

/** Puts the spec's files, in the order of their paths. */
export async function putFiles(
  files: Pick<Files, "open" | "stat">,
  editor: TreeEditor,
  spec: Pick<ImageSpec, "files">,
): Promise<void> {
  const accounts = await Accounts.read(editor.tree);
  for (const [path, file] of Object.entries(spec.files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    await putFile(files, editor, accounts, path, file);
  }
}

async function putFile(
  files: Pick<Files, "open" | "stat">,
  editor: TreeEditor,
  accounts: Accounts,
  path: string,
  file: FileSpec,
): Promise<void> {
  if ("remove" in file) editor.tree.remove(followLinks(editor.tree, path));
  else if ("link" in file) editor.link(path, file.link);
  else if ("directory" in file) {
    const { mode, uid = 0, gid = 0 } = accounts.ownership(file, 0o755);
    putAt(editor.tree, path, { kind: "directory", mode, uid, gid, mtimeSeconds: editor.mtimeSeconds });
  } else if ("content" in file) editor.text(path, file.content, accounts.ownership(file, 0o644));
  else {
    const status = await files.stat(file.source);
    if (status?.kind !== "file") {
      throw new KelpieError("not-found", `The source of ${path} is not a file`, { where: file.source });
    }
    const { mode, uid = 0, gid = 0 } = accounts.ownership(file, (status.mode & 0o100) === 0 ? 0o644 : 0o755);
    putAt(editor.tree, path, {
      kind: "file",
      mode,
      uid,
      gid,
      mtimeSeconds: editor.mtimeSeconds,
      content: fileSource(files, file.source, 0, status.sizeBytes),
    });
  }
}
