// Names for versions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { formatImageVersion } from "../version/image-version.ts";
import { findImage } from "./reference.ts";
import { hostArchitecture, withTestStore } from "./testing/stores.ts";

const [first, second] = ["1.0.0-20260115-a3f4d21", "1.1.0-20260115-a3f4d21"];

test("a tag names a version until it names another, and goes with the version", () =>
  withTestStore(async ({ store, add }) => {
    const [a, b] = [await add(first), await add(second)];
    const named = async (reference: string): Promise<string> =>
      formatImageVersion(findImage((await store.list()).images, reference, hostArchitecture).version);
    await store.tag(a, "stable");
    assert.equal(await named("stable"), first);
    assert.equal(await named("kelpie-base:stable"), first);
    await store.tag(b, "stable");
    assert.equal(await named("stable"), second);
    await store.remove(b);
    await assert.rejects(named("stable"), (error) => KelpieError.is(error) && error.code === "not-found");
  }));

test("a removed tag names nothing, and cannot be removed twice", () =>
  withTestStore(async ({ store, add }) => {
    await store.tag(await add(first), "stable");
    await store.untag("stable");
    assert.deepEqual((await store.list()).images[0]?.tags, []);
    await assert.rejects(
      store.untag("stable"),
      (error) => KelpieError.is(error) && error.code === "not-found",
    );
  }));

for (const name of ["latest", "1.0", "1.0.0", first, "", "a/b", "a:b", "-x", "x".repeat(129)]) {
  test(`${JSON.stringify(name.slice(0, 30))} cannot be a tag`, () =>
    withTestStore(async ({ store, add }) => {
      const image = await add(first);
      await assert.rejects(
        store.tag(image, name),
        (error) => KelpieError.is(error) && error.code === "usage",
      );
    }));
}

test("an image is found by the reference that it was fetched by", () =>
  withTestStore(async ({ store, add }) => {
    await store.recordReference(await add(first), "ghcr.io/your-org/kelpie-base:latest");
    await add(second);
    const { images } = await store.list();
    const { version } = findImage(images, "ghcr.io/your-org/kelpie-base:latest", hostArchitecture);
    assert.equal(formatImageVersion(version), first);
  }));
