// What the next version of an image costs who has the one before.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { pullImage } from "./artifact/pull-image.ts";
import { type PushedImages, pushImages } from "./artifact/push-image.ts";
import { parseReference } from "./oci/reference.ts";
import { type BaseLike, baseLikeRootfs } from "./testing/base-like.ts";
import { startFakeRegistry } from "./testing/fake-registry.ts";
import { addImage, noise } from "./testing/images.ts";

const kernel = noise("kernel", 3 << 20);
const first: BaseLike = { packages: 16, packageBytes: 800 << 10, timestampSeconds: 1_700_000_000 };
const later = first.timestampSeconds + 86_400 * 30;

const nexts: readonly [name: string, next: BaseLike, limit: number][] = [
  ["one package of 16 in another version", { ...first, changed: new Map([[7, "2"]]) }, 0.15],
  ["one package more", { ...first, packages: first.packages + 1 }, 0.15],
  ["another commit and nothing else", first, 0.02],
];

for (const [name, next, limit] of nexts) {
  test(`an image with ${name} is pulled over the one before for at most ${limit * 100} % of its size`, async () => {
    await using registry = await startFakeRegistry();
    const directory = await mkdtemp(join(tmpdir(), "kelpie-delta-"));
    try {
      const put = async (version: string, content: BaseLike): Promise<PushedImages> => {
        const files = { "rootfs.ext4": await baseLikeRootfs(content), vmlinuz: kernel };
        const image = await addImage(realPlatform, join(directory, "from"), "arm64", { version, files });
        const repository = { host: registry.host, name: "repo" };
        return await pushImages({ platform: realPlatform, images: [image], repository });
      };
      const pull = async ({ reference }: PushedImages): Promise<number> => {
        const options = {
          platform: realPlatform,
          home: join(directory, "to"),
          architecture: "arm64",
        } as const;
        return (await pullImage({ ...options, reference: parseReference(reference) })).networkBytes;
      };
      const before = await put("1.0.0-20231114-a3f4d21", first);
      const after = await put("1.0.1-20231214-b3f4d21", { ...next, timestampSeconds: later });
      const whole = await pull(before);
      const over = await pull(after);
      assert.ok(whole > 6 << 20, `${whole} bytes`);
      assert.ok(over <= whole * limit, `${over} of ${whole} bytes: ${((100 * over) / whole).toFixed(1)} %`);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}
