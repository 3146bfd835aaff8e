import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { FileTree, textSource, type TreeNode } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { buildImage } from "../build/build-image.ts";
import { smallWorld } from "../build/testing/small-world.ts";
import { parseReleaseVersion } from "../version/image-version.ts";
import { diffImages, diffTrees } from "./image-diff.ts";

const file = (text: string, mode = 0o644, uid = 0): TreeNode => ({
  kind: "file",
  mode,
  uid,
  gid: 0,
  mtimeSeconds: 1,
  content: textSource(text),
});

function treeOf(entries: Readonly<Record<string, TreeNode>>): FileTree {
  const tree = new FileTree();
  for (const [path, node] of Object.entries(entries)) tree.put(path, node);
  return tree;
}

test("files that came, went, or changed in content, mode or owner are told; times are not", async () => {
  const before = treeOf({ a: file("1"), b: file("1"), c: file("1"), d: file("1"), e: file("1") });
  const after = treeOf({
    a: { ...file("1"), mtimeSeconds: 9 },
    b: file("2"),
    c: file("1", 0o600),
    d: file("1", 0o644, 7),
    f: { kind: "symlink", mode: 0o777, uid: 0, gid: 0, mtimeSeconds: 1, target: "a" },
  });
  const found = await diffTrees(before, after);
  assert.deepEqual(
    found.map(({ name }) => name),
    ["/b", "/c", "/d", "/e", "/f"],
  );
  const [content, mode, owner, gone, come] = found;
  assert.match(content?.before ?? "", /1 bytes sha256:6b86b273/);
  assert.match(mode?.after ?? "", /^file 0600 0:0 1 bytes$/);
  assert.match(owner?.after ?? "", /^file 0644 7:0/);
  assert.equal(gone?.after, undefined);
  assert.equal(come?.before, undefined);
  assert.match(come?.after ?? "", /→ a$/);
});

test("a tree differs from another exactly where another comparison says so", async () => {
  const tree = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2", "33"));
  await fc.assert(
    fc.asyncProperty(tree, tree, async (one, two) => {
      const make = (value: Record<string, string>): FileTree =>
        treeOf(Object.fromEntries(Object.entries(value).map(([name, text]) => [name, file(text)])));
      const expected = ["a", "b", "c", "d"].filter((name) => one[name] !== two[name]);
      const found = await diffTrees(make(one), make(two));
      assert.deepEqual(
        found.map(({ name }) => name),
        expected.map((name) => `/${name}`),
      );
    }),
    { numRuns: 50 },
  );
});

test("two images differ in what their specs differ in, and an image in nothing from itself", async () => {
  await using world = await smallWorld();
  const { options, home, spec } = world;
  const { image: first } = await buildImage(options);
  const { image: second } = await buildImage({
    ...options,
    release: parseReleaseVersion("1.2.4"),
    spec: { ...spec, hostname: "other", environment: { EDITOR: "vi" } },
  });
  const found = await diffImages(realPlatform, home, first, second);
  assert.deepEqual(
    found.metadata.map(({ name }) => name),
    ["hostname", "planSha256", "version"],
  );
  assert.deepEqual(
    found.files.map(({ name }) => name),
    ["/etc/hostname", "/etc/hosts", "/etc/kelpie-version", "/etc/kelpie/environment"],
  );
  assert.deepEqual([found.packages, found.modules, found.components], [[], [], []]);
  assert.deepEqual(
    found.sizes.map(({ name }) => name),
    ["provenance.intoto.json", "rootfs.ext4", "sbom.cdx.json", "sbom.spdx.json"],
  );
  const none = await diffImages(realPlatform, home, first, first);
  assert.deepEqual(none, { metadata: [], packages: [], components: [], files: [], modules: [], sizes: [] });
});

test("another crate of the agent is told by the bills of materials, and nothing where one of them is absent", async () => {
  await using world = await smallWorld();
  const { options, home, directory } = world;
  const { image: first } = await buildImage(options);
  const lock = join(directory, "Cargo.lock");
  const text = await readFile(lock, "utf8");
  await writeFile(lock, text.replace('name = "side"\nversion = "1.2.3"', 'name = "side"\nversion = "1.2.4"'));
  const { image: second } = await buildImage({ ...options, release: parseReleaseVersion("1.2.4") });
  const { components } = await diffImages(realPlatform, home, first, second);
  assert.deepEqual(components, [{ name: "crate side", before: "1.2.3", after: "1.2.4" }]);
  await rm(join(second.directory, "sbom.cdx.json"));
  assert.deepEqual((await diffImages(realPlatform, home, first, second)).components, []);
});
