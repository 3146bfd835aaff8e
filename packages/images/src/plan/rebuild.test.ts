import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { buildImage } from "../build/build-image.ts";
import { smallWorld } from "../build/testing/small-world.ts";
import { rebuildImage } from "./rebuild.ts";

test("an image built once more comes out the same, and the store stays as it is", async () => {
  await using world = await smallWorld();
  const { image } = await buildImage(world.options);
  const { release: _release, source: _source, ...rest } = world.options;
  const before = await readdir(join(world.home, "images"));
  assert.deepEqual(await rebuildImage(rest, image), { files: [], metadata: [], packages: [] });
  assert.deepEqual(await readdir(join(world.home, "images")), before);
});

test("a spec that has changed shows in the files and in the plan's digest", async () => {
  await using world = await smallWorld();
  const { image } = await buildImage(world.options);
  const spec = { ...world.spec, hostname: "other" };
  const { files, metadata } = await rebuildImage({ ...world.options, spec }, image);
  assert.deepEqual(
    files.map(({ name }) => name),
    ["rootfs.ext4", "sbom.spdx.json", "sbom.cdx.json", "provenance.intoto.json", "metadata.json"],
  );
  assert.deepEqual(
    metadata.map(({ name }) => name),
    ["hostname", "planSha256"],
  );
});

test("an image that was changed where it lies is found out", async () => {
  await using world = await smallWorld();
  const { image } = await buildImage(world.options);
  await writeFile(join(image.directory, "initrd"), "another");
  const { files, metadata } = await rebuildImage(world.options, image);
  assert.deepEqual(
    files.map(({ name }) => name),
    ["initrd"],
  );
  assert.deepEqual(metadata, []);
});
