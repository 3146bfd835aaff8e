// How long a pull takes, beside curl and zstd -d of the very same blobs, and what the next version costs.

import { execFile } from "node:child_process";
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { realPlatform } from "@kelpie/platform";
import type { BenchCase } from "../../../../tools/bench/case.ts";
import { pullImage, type PulledImage } from "./artifact/pull-image.ts";
import { pushImages } from "./artifact/push-image.ts";
import { parseIndex, parseManifest } from "./oci/manifest.ts";
import { parseReference } from "./oci/reference.ts";
import { RegistryClient } from "./oci/registry-client.ts";
import { type BaseLike, baseLikeRootfs } from "./testing/base-like.ts";
import { addImage, noise } from "./testing/images.ts";
import { startRegistry, type TestRegistry, unlessInstalled } from "./testing/registry.ts";

const run = promisify(execFile);
const first: BaseLike = { packages: 60, packageBytes: 1 << 20, timestampSeconds: 1_700_000_000 };
const next: BaseLike = { ...first, changed: new Map([[17, "2"]]), timestampSeconds: 1_702_000_000 };
/** Of the rate of curl and zstd: 70 %. */
const pullRatio = 1 / 0.7;

interface Pushed {
  readonly reference: string;
  readonly contentBytes: number;
}

async function push(
  registry: TestRegistry,
  home: string,
  version: string,
  content: BaseLike,
): Promise<Pushed> {
  const kernel = noise("kernel", 8 << 20);
  const files = { "rootfs.ext4": await baseLikeRootfs(content), vmlinuz: kernel };
  const image = await addImage(realPlatform, home, "arm64", { version, files });
  const repository = { host: registry.host, name: "kelpie-base" };
  const { reference } = await pushImages({ platform: realPlatform, images: [image], repository });
  return { reference, contentBytes: image.sizeBytes };
}

function pull(home: string, { reference }: Pushed): Promise<PulledImage> {
  return pullImage({
    platform: realPlatform,
    home,
    reference: parseReference(reference),
    architecture: "arm64",
  });
}

/** The addresses of an image's blobs in order, as a configuration of curl: one process, one connection. */
async function curlConfig({ reference }: Pushed): Promise<string> {
  const named = parseReference(reference);
  const client = new RegistryClient(realPlatform, named, "pull");
  const index = await client.fetchManifest(named.target);
  const digest = index && parseIndex(index.bytes, reference).manifests[0]?.digest;
  const manifest = digest && (await client.fetchManifest({ kind: "digest", digest }));
  if (manifest === undefined) throw new TypeError("no manifest");
  return parseManifest(manifest.bytes, reference)
    .layers.map((layer) => `url = "http://${named.host}/v2/${named.name}/blobs/${layer.digest}"\n`)
    .join("");
}

const cases: readonly BenchCase[] = [
  {
    name: "images: pull from a registry on loopback",
    goal: { ratio: pullRatio },
    prepare: async ({ scratch }) => {
      const skip = unlessInstalled("docker-registry", "curl", "zstd");
      if (skip !== false) return { skip };
      const registry = await startRegistry();
      const pushed = await push(registry, join(scratch, "from"), "1.0.0-20231114-a3f4d21", first);
      const [home, copy, config] = ["to", "copy", "curl.config"].map((name) => join(scratch, name));
      if (home === undefined || copy === undefined || config === undefined) throw new TypeError("no names");
      await writeFile(config, await curlConfig(pushed));
      // Both end with the content on the disk: what the store has, it has synced.
      const script = `curl -sf -K "$1" | zstd -q -d -f -o "$2" && sync "$2"`;
      return {
        bytes: pushed.contentBytes,
        reset: async () => {
          await rm(home, { recursive: true, force: true });
          await rm(copy, { force: true });
        },
        run: () => pull(home, pushed),
        reference: {
          name: "curl, zstd -d and sync, unverified",
          run: () => run("sh", ["-c", script, "sh", config, copy]),
        },
        cleanUp: () => registry[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: "images: pull the next version over the one before, one package of 60 changed",
    prepare: async ({ scratch }) => {
      const skip = unlessInstalled("docker-registry");
      if (skip !== false) return { skip };
      const registry = await startRegistry();
      const before = await push(registry, join(scratch, "from"), "1.0.0-20231114-a3f4d21", first);
      const after = await push(registry, join(scratch, "from"), "1.0.1-20231208-b3f4d21", next);
      const [home, kept] = [join(scratch, "to"), join(scratch, "before")];
      const wholeBytes = (await pull(kept, before)).networkBytes;
      let overBytes = Number.NaN;
      return {
        bytes: after.contentBytes,
        reset: async () => {
          await rm(home, { recursive: true, force: true });
          await cp(kept, home, { recursive: true, preserveTimestamps: true });
        },
        run: async () => {
          overBytes = (await pull(home, after)).networkBytes;
        },
        note: () =>
          `${overBytes} of ${wholeBytes} compressed bytes travelled: ${((100 * overBytes) / wholeBytes).toFixed(1)} % (goal: 15 %)`,
        cleanUp: () => registry[Symbol.asyncDispose](),
      };
    },
  },
];
export default cases;
