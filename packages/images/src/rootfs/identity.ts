// What makes a tree a Kelpie image: the boot contract's files (docs/boot-contract.md) and the usual ones of /etc.

import type { ByteSource } from "@kelpie/formats";
import { lookUp, putAt, type TreeEditor } from "./image-tree.ts";

/** What an image says of itself. */
export interface ImageIdentity {
  /** The full version: MAJOR.MINOR.PATCH[-PRERELEASE]-DATE-GITSHA. */
  readonly version: string;
  readonly gitSha: string;
  /** SOURCE_DATE_EPOCH, in seconds: the build's date, and the time of every file that it makes. */
  readonly timestampSeconds: number;
}

/** The programs that run in the guest. */
export interface GuestPrograms {
  readonly init: ByteSource;
  readonly agent: ByteSource;
}

const defaultEnvironment: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LANG: "C.UTF-8",
};

/** RFC 3339 in UTC, to the second. */
export function buildDate({ timestampSeconds }: Pick<ImageIdentity, "timestampSeconds">): string {
  return `${new Date(timestampSeconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** Mount points and files that every guest has; before overlays and the spec's own files, which may replace them. */
export function putDefaults(
  editor: TreeEditor,
  { hostname, environment }: { hostname: string; environment: Readonly<Record<string, string>> },
): void {
  for (const path of ["dev", "etc", "mnt", "proc", "run", "sys", "var", "var/log"]) {
    editor.directory(path, { mode: 0o755 });
  }
  editor.directory("root", { mode: 0o700 });
  for (const path of ["tmp", "var/tmp"]) editor.directory(path, { mode: 0o1777 });
  editor.text("/etc/hostname", `${hostname}\n`, { mode: 0o644 });
  editor.text(
    "/etc/hosts",
    `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t${hostname}\n`,
    { mode: 0o644 },
  );
  if (!editor.stands("/etc/resolv.conf")) editor.text("/etc/resolv.conf", "", { mode: 0o644 });
  const variables = Object.entries({ ...defaultEnvironment, ...environment });
  editor.text("/etc/kelpie/environment", variables.map(([name, value]) => `${name}=${value}\n`).join(""), {
    mode: 0o644,
  });
}

/** The files by which sandbox and guest find each other: last, so that nothing stands in their place. */
export function putContract(editor: TreeEditor, identity: ImageIdentity, guest: GuestPrograms): void {
  editor.text("/etc/kelpie-version", `${identity.version}\n`, { mode: 0o644 });
  editor.text("/etc/kelpie-git-sha", `${identity.gitSha}\n`, { mode: 0o644 });
  editor.text("/etc/kelpie-build-date", `${buildDate(identity)}\n`, { mode: 0o644 });
  putProgram(editor, "/sbin/init", guest.init);
  putProgram(editor, "/usr/local/bin/kelpie-guest", guest.agent);
  if (lookUp(editor.tree, "/workspace") === undefined) editor.directory("/workspace", { mode: 0o755 });
}

function putProgram(editor: TreeEditor, path: string, content: ByteSource): void {
  const { mtimeSeconds } = editor;
  putAt(editor.tree, path, { kind: "file", mode: 0o755, uid: 0, gid: 0, mtimeSeconds, content });
}
