// Sandboxes of an image that nobody has fetched yet.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { ImageStore, pushImages, type TransferProgress } from "@kelpie/images";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { startFakeRegistry } from "../../../images/src/distribution/testing/fake-registry.ts";
import { addImage, testVersion } from "../../../images/src/distribution/testing/images.ts";
import { playAgent } from "../testing/fake-agent.ts";
import { PlayedMachine, playedVmm } from "../testing/played-machine.ts";
import { Sandbox } from "./sandbox.ts";

const images = join(import.meta.dirname, "../../../images/src");

test("of sandboxes and processes that want a missing image at once one fetches it, and each is told how far it is", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-first-use-");
  const home = join(directory.path, "home");
  await using registry = await startFakeRegistry();
  const original = await addImage(realPlatform, join(directory.path, "from"), "amd64");
  const repository = { host: registry.host, name: "repo" };
  await pushImages({ platform: realPlatform, images: [original], repository });
  const reference = `${registry.host}/repo:${testVersion}`;
  const before = registry.seen.length;

  const others = Array.from({ length: 2 }, () =>
    fork(join(images, "distribution/testing/ensure.ts"), [home, reference, "amd64"], { stdio: "inherit" }),
  );
  const exits = Promise.all(others.map(async (child) => (await once(child, "exit"))[0] as unknown));
  const told = await Promise.all(
    Array.from({ length: 4 }, async () => {
      await using agent = playAgent({});
      const vmm = playedVmm(new PlayedMachine(agent.open));
      const seen: TransferProgress[] = [];
      const onFetch = (progress: TransferProgress): void => void seen.push(progress);
      const options = { platform: realPlatform, home, image: reference, vmm, onFetch } as const;
      await using sandbox = await Sandbox.create({ ...options, architecture: "amd64" });
      assert.ok((await sandbox.agent.ping()) >= 0);
      return seen;
    }),
  );
  assert.deepEqual(await exits, [0, 0]);
  const parts = registry.seen.slice(before).filter(({ path }) => path.startsWith("blobs/"));
  // The description of the image is asked for by each, what it is made of once.
  const config = parts.filter(({ path }, _, all) => all.filter((other) => other.path === path).length > 1);
  assert.ok(new Set(config.map(({ path }) => path)).size <= 1, "a part was fetched more than once");
  assert.ok(told.some((seen) => seen.length > 0));
  assert.equal((await new ImageStore(realPlatform, home).list()).images.length, 1);
});

test("a sandbox of an image that nobody has says so, and leaves nothing behind", async () => {
  await using home = await realPlatform.files.temporaryDirectory("kelpie-first-use-");
  await using agent = playAgent({});
  const vmm = playedVmm(new PlayedMachine(agent.open));
  await assert.rejects(
    Sandbox.create({ platform: realPlatform, home: home.path, vmm, image: "1.0", architecture: "amd64" }),
    (error) => KelpieError.is(error) && error.code === "not-found",
  );
  assert.deepEqual(await realPlatform.files.list(home.path), []);
});
