// The database that dpkg keeps of installed packages (/var/lib/dpkg), written for packages that dpkg never unpacked.

import { createHash } from "node:crypto";
import { bytewise, textSource, type TreeEntry, type TreeNode } from "@kelpie/formats";
import { type Field, formatStanza } from "./deb822.ts";
import { mergedPath, type OwnedFiles, ownedFiles } from "./owned-files.ts";
import type { DebianArchive } from "./repository.ts";
import { triggerFiles } from "./triggers.ts";

const root = "var/lib/dpkg";
const directories = ["", "/alternatives", "/info", "/parts", "/triggers", "/updates"];
const emptyFiles = ["available", "diversions", "statoverride"];
const executable = new Set(["preinst", "postinst", "prerm", "postrm", "config"]);

/**
 * The files of /var/lib/dpkg such that `dpkg -l`, `-L`, `-S`, `--verify` and `--audit` find every package installed as it
 * is, and a later `dpkg -i` or apt in the guest can upgrade and remove it. Configured is what the packages are said to be:
 * the effects of their scripts are the image builder's.
 *
 * @throws KelpieError as `mergeDebianPackages`.
 */
export async function debianDatabase(archives: readonly DebianArchive[]): Promise<TreeEntry[]> {
  const owned = ownedFiles(archives);
  const sorted = archives.toSorted((a, b) => bytewise(a.package.name, b.package.name));
  const stanzas: string[] = [];
  const info = new Map<string, TreeNode>([["format", file("1\n")]]);
  for (const archive of sorted) {
    const digests = await contentDigests(archive);
    stanzas.push(statusStanza(archive, digests));
    const files = new Map(archive.controlFiles).set("list", fileList(archive, owned));
    // As dpkg does for a package that brings none.
    if (!files.has("md5sums")) files.set("md5sums", md5sums(digests));
    for (const [name, text] of files)
      info.set(`${infoPrefix(archive)}.${name}`, file(text, executable.has(name) ? 0o755 : 0o644));
  }
  const triggers = triggerFiles(sorted);
  return [
    ...directories.map((name) => ({ path: root + name, node: directory })),
    { path: `${root}/status`, node: file(stanzas.join("\n")) },
    ...emptyFiles.map((name) => ({ path: `${root}/${name}`, node: file("") })),
    ...[...info].map(([name, node]) => ({ path: `${root}/info/${name}`, node })),
    ...[...triggers].map(([name, text]) => ({ path: `${root}/triggers/${name}`, node: file(text) })),
  ];
}

const directory: TreeNode = { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 };

function file(text: string, mode = 0o644): TreeNode {
  return { kind: "file", mode, uid: 0, gid: 0, mtimeSeconds: 0, content: textSource(text) };
}

/** Packages that may be there for several architectures at once have it in their files' names. */
function infoPrefix({ control, package: { name, architecture } }: DebianArchive): string {
  return control.get("Multi-Arch") === "same" ? `${name}:${architecture}` : name;
}

function statusStanza(
  { control, configurationFiles }: DebianArchive,
  digests: ReadonlyMap<string, string>,
): string {
  const conffiles = configurationFiles.flatMap((path) => {
    const digest = digests.get(path);
    return digest === undefined ? [] : [`\n /${path} ${digest}`];
  });
  const isTold = ({ name }: Field): boolean =>
    !["package", "status", "conffiles"].includes(name.toLowerCase());
  return formatStanza([
    { name: "Package", value: control.get("Package") ?? "" },
    { name: "Status", value: "install ok installed" },
    ...(conffiles.length === 0 ? [] : [{ name: "Conffiles", value: conffiles.join("") }]),
    ...control.fields.filter(isTold),
  ]);
}

/** The package's own paths, not the merged ones, as dpkg keeps them; without files that another package has taken over. */
function fileList(archive: DebianArchive, { files }: OwnedFiles): string {
  const isTaken = ({ path, node }: TreeEntry): boolean =>
    node.kind !== "directory" && (files.get(mergedPath(path))?.archive ?? archive) !== archive;
  return archive.entries
    .filter((entry) => !isTaken(entry))
    .map(({ path }) => `/${path === "" ? "." : path}\n`)
    .join("");
}

/** MD5 of the configuration files, and of all files where the package brings no md5sums. */
async function contentDigests({
  entries,
  configurationFiles,
  controlFiles,
}: DebianArchive): Promise<Map<string, string>> {
  const wanted = controlFiles.has("md5sums") ? new Set(configurationFiles) : undefined;
  const digests = new Map<string, string>();
  for (const { path, node } of entries) {
    if (node.kind !== "file" || wanted?.has(path) === false) continue;
    const hash = createHash("md5");
    for await (const chunk of node.content.open()) hash.update(chunk);
    digests.set(path, hash.digest("hex"));
  }
  return digests;
}

function md5sums(digests: ReadonlyMap<string, string>): string {
  return [...digests].map(([path, digest]) => `${digest}  ${path}\n`).join("");
}
