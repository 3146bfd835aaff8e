// How long a pull takes, beside curl and zstd -d of the same content from the same machine.

import { execFile, execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { realPlatform } from "@kelpie/platform";
import type { BenchCase } from "../../../../tools/bench/case.ts";
import { imageFile } from "../store/image-store.ts";
import { pullImage } from "./artifact/pull-image.ts";
import { pushImages } from "./artifact/push-image.ts";
import { parseReference } from "./oci/reference.ts";
import { addImage, noise } from "./testing/images.ts";
import { startRegistry, unlessInstalled } from "./testing/registry.ts";

const run = promisify(execFile);
const rootfsBytes = 96 << 20;

/** A third noise, a third text that compresses, a third nothing: much as a root file system is. */
function mixed(): Uint8Array {
  const bytes = new Uint8Array(rootfsBytes);
  const third = rootfsBytes / 3;
  bytes.set(noise("pull", third));
  for (let at = third; at < 2 * third; at += 64) bytes.set(noise(`${at % 65_536}`, 48), at);
  return bytes;
}

const cases: readonly BenchCase[] = [
  {
    name: "images: pull from a registry on loopback",
    goal: { ratio: 1 },
    prepare: async ({ scratch }) => {
      const skip = unlessInstalled("docker-registry", "curl", "zstd");
      if (skip !== false) return { skip };
      const registry = await startRegistry();
      const image = await addImage(realPlatform, join(scratch, "from"), "amd64", {
        files: { "rootfs.ext4": mixed() },
      });
      const repository = { host: registry.host, name: "kelpie-base" };
      const pushed = await pushImages({ platform: realPlatform, images: [image], repository });
      const reference = parseReference(pushed.reference);
      const archive = join(scratch, "rootfs.zst");
      execFileSync("zstd", ["-q", "-9", imageFile(image, "rootfs.ext4"), "-o", archive]);
      const server = createServer((_, response) => createReadStream(archive).pipe(response));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      const script = join(scratch, "fetch.sh");
      const copy = join(scratch, "copy");
      await writeFile(script, `curl -sf http://127.0.0.1:${port}/ | zstd -q -d -f -o ${copy}\n`);
      const home = join(scratch, "to");
      return {
        bytes: rootfsBytes,
        reset: async () => {
          await rm(home, { recursive: true, force: true });
          await rm(copy, { force: true });
        },
        run: () => pullImage({ platform: realPlatform, home, reference, architecture: "amd64" }),
        reference: { name: "curl and zstd -d, unverified", run: () => run("sh", [script]) },
        cleanUp: async () => {
          server.close();
          await registry[Symbol.asyncDispose]();
        },
      };
    },
  },
];
export default cases;
