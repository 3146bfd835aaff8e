// Makes a mirror's packages out of a real minirootfs: each installed package is packed again and signed with a test's key.

import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { bytesSource, collect, readTar, type TreeNode } from "@kelpie/formats";
import { type InstalledPackage, readInstalled } from "../installed.ts";
import { type MadePackage, makePackage, type TestKey } from "./packages.ts";

/** Packs every package that is installed in `root`, an extracted minirootfs. */
export async function repackInstalled(root: string, key: TestKey): Promise<MadePackage[]> {
  const database = join(root, "lib/apk/db");
  const installed = readInstalled(await readFile(join(database, "installed"), "utf8"), "installed");
  const scripts = await scriptsOf(await readFile(join(database, "scripts.tar")));
  const triggers = await readFile(join(database, "triggers"), "utf8");
  return await Promise.all(
    installed.map(async (it) => {
      const { record } = it;
      const [, patterns] =
        triggers
          .split("\n")
          .map((line) => line.split(/ (.*)/))
          .find(([id]) => id === record.checksum) ?? [];
      const info = [...relationsOf(it), ...(patterns === undefined ? [] : [["triggers", patterns] as const])];
      const files = await filesOf(root, it);
      const own = Object.fromEntries(
        [...scripts]
          .filter(([path]) => path.startsWith(`${record.name}-${record.version}.${record.checksum}.`))
          .map(([path, text]) => [path.slice(path.lastIndexOf(".")), text]),
      );
      const { name, version, architecture, installedBytes } = record;
      return await makePackage(
        { name, version, architecture, installedBytes, info, scripts: own, files },
        { key },
      );
    }),
  );
}

function relationsOf({
  record,
  replaces,
  replacesPriority,
}: InstalledPackage): (readonly [string, string])[] {
  return [
    ...(record.origin === "" ? [] : [["origin", record.origin] as const]),
    ...record.depends.map(({ text }) => ["depend", text] as const),
    ...record.provides.map(({ text }) => ["provides", text] as const),
    ...record.installIf.map(({ text }) => ["install_if", text] as const),
    ...replaces.map(({ text }) => ["replaces", text] as const),
    ...(replacesPriority === undefined ? [] : [["replaces_priority", `${replacesPriority}`] as const]),
    ...(record.providerPriority === 0 ? [] : [["provider_priority", `${record.providerPriority}`] as const]),
  ];
}

async function filesOf(root: string, it: InstalledPackage): Promise<{ path: string; node: TreeNode }[]> {
  const mtimeSeconds = 1_700_000_000;
  const directories = it.directories.map(({ path, uid, gid, mode }) => {
    const node: TreeNode = { kind: "directory", uid, gid, mode, mtimeSeconds };
    return { path, node };
  });
  const files = await Promise.all(
    it.files.map(async ({ path, uid, gid, mode }) => {
      const at = join(root, path);
      const shared = { uid, gid, mode, mtimeSeconds };
      const node: TreeNode = (await lstat(at)).isSymbolicLink()
        ? { kind: "symlink", ...shared, target: await readlink(at) }
        : { kind: "file", ...shared, content: bytesSource(await readFile(at)) };
      return { path, node };
    }),
  );
  return [...directories, ...files]
    .filter(({ path }) => path !== "")
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function scriptsOf(tar: Uint8Array): Promise<Map<string, string>> {
  const scripts = new Map<string, string>();
  for await (const entry of readTar(bytesSource(tar).open()))
    scripts.set(entry.path, new TextDecoder().decode(await collect(entry.content, 1 << 20)));
  return scripts;
}
