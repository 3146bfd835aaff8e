import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesSource, FileTree, textSource, type TreeNode } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { buildImage } from "../build/build-image.ts";
import { smallWorld } from "../build/testing/small-world.ts";
import { ImageStore } from "../store/image-store.ts";
import { filesOf, sizeBreakdown, sizedFiles } from "./breakdown.ts";
import { contentType } from "./content-type.ts";

const file = (text: string): TreeNode => ({
  kind: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 1,
  content: textSource(text),
});

for (const [name, text, expected] of [
  ["usr/bin/x", "\x7fELF...", "program"],
  ["usr/lib/x.so.1", "\x7fELF...", "library"],
  ["lib/modules/x.ko", "\x7fELF...", "kernel module"],
  ["bin/x", "#!/bin/sh\n", "script"],
  ["etc/x", "café\n", "text"],
  ["etc/x", "", "text"],
  ["x", "\0\x01", "other"],
  ["x.gz", "\x1f\x8b", "compressed"],
] as const) {
  test(`a file ${name} of ${JSON.stringify(text)} is of type ${expected}`, async () => {
    const bytes = Buffer.from(text, expected === "compressed" ? "latin1" : "utf8");
    assert.equal(await contentType(name, bytesSource(bytes)), expected);
  });
}

test("a file with two names counts once, and dpkg's merged paths lead to their owners", async () => {
  const tree = new FileTree();
  const shared = file("12345");
  tree.put("usr/bin/a", shared);
  tree.put("usr/bin/b", shared);
  tree.put("usr/share/doc/x", file("1"));
  tree.put("bin", { kind: "symlink", mode: 0o777, uid: 0, gid: 0, mtimeSeconds: 1, target: "usr/bin" });
  tree.put("var/lib/dpkg/info/tool:amd64.list", file("/.\n/bin\n/bin/a\n/bin/b\n"));
  const sized = await filesOf(tree);
  assert.deepEqual(
    sized.map(({ path, owner }) => `${path} ${owner}`),
    [
      "/usr/bin/a tool",
      "/usr/share/doc/x files of no package",
      "/var/lib/dpkg/info/tool:amd64.list files of no package",
    ],
  );
});

test("of an image, the parts make the whole, and each way of dividing the files gives the same sum", async () => {
  await using world = await smallWorld();
  const { image } = await buildImage(world.options);
  const metadata = await new ImageStore(realPlatform, world.home).metadata(image);
  const sized = await sizedFiles(realPlatform, image);
  const found = sizeBreakdown(metadata, sized);
  const sum = (shares: readonly { readonly sizeBytes: number }[]): number =>
    shares.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  assert.equal(sum(found.parts), found.totalBytes);
  const contentBytes = metadata.files["rootfs.ext4"].sizeBytes - found.overheadBytes;
  for (const shares of [found.packages, found.directories, found.types])
    assert.equal(sum(shares), contentBytes);
  assert.ok(found.packages.some(({ name }) => name === "kelpie-guest"));
  assert.ok(found.directories.some(({ name }) => name === "/usr/local"));
});
