import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesSource } from "../byte-source.ts";
import { FileTree } from "../tree/file-tree.ts";
import { assertClean, file, imageOf, metadata, withoutE2fsprogs } from "./testing/images.ts";

/** Mounts the image until the end of the block; undefined where this user or machine cannot. */
function mounted(image: { path: string; directory: string }): (Disposable & { path: string }) | undefined {
  const path = join(image.directory, "mounted");
  mkdirSync(path);
  if (spawnSync("mount", ["-o", "loop", image.path, path]).status !== 0) return undefined;
  return { path, [Symbol.dispose]: () => execFileSync("umount", [path]) };
}

for (const journalBytes of [undefined, 8 * 1024 ** 2]) {
  const kind = journalBytes === undefined ? "without" : "with";
  test(`the kernel mounts a file system ${kind} a journal, reads it and writes to it`, {
    skip: withoutE2fsprogs,
  }, async (context) => {
    const tree = new FileTree();
    const content = Uint8Array.from({ length: 5_000_000 }, (_, index) => (index * 7) % 251);
    const linked = {
      ...metadata,
      kind: "file",
      content: bytesSource(content),
      uid: 12,
      gid: 100_000,
    } as const;
    tree.put("a/large", linked);
    tree.put("a/linked", linked);
    tree.put("long", { ...metadata, kind: "symlink", mode: 0o777, target: "t".repeat(100) });
    const names = Array.from({ length: 5000 }, (_, index) => `\u00e4-${index}`);
    for (const name of names) tree.put(`many/${name}`, file(name));
    using image = await imageOf(tree, { journalBytes, freeBytes: 16 * 1024 ** 2 });
    {
      using mount = mounted(image);
      if (mount === undefined) {
        context.skip("this user or machine cannot mount a loop device");
        return;
      }
      const at = (name: string): string => join(mount.path, name);
      assert.ok(readFileSync(at("a/linked")).equals(content));
      const { nlink, uid, gid, mtimeMs } = statSync(at("a/large"));
      assert.deepEqual([nlink, uid, gid, mtimeMs], [2, 12, 100_000, 1_600_000_000_000]);
      assert.equal(readlinkSync(at("long")), "t".repeat(100));
      assert.deepEqual(readdirSync(at("many")).sort(), names.sort());
      // By name, through the hash tree: a wrong hash would not find it.
      for (const name of names) assert.equal(readFileSync(at(`many/${name}`), "utf8"), name);
      assert.equal(statfsSync(mount.path).bfree, image.summary.freeBlocks);
      for (let index = 0; index < 500; index += 1) writeFileSync(at(`many/new-${index}`), "new");
      for (const name of names.slice(0, 2000)) rmSync(at(`many/${name}`));
    }
    assertClean(image.path);
  });
}
