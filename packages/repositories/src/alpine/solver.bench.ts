// How long it takes to resolve a world once its index is parsed.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchCase, PreparedBench } from "../../../../tools/bench/case.ts";
import { readIndexArchive } from "./index-archive.ts";
import { parseIndex } from "./index-text.ts";
import type { ApkRecord } from "./record.ts";
import { Resolver } from "./resolve.ts";
import { readTrustedKeys } from "./signature.ts";
import { realData } from "./testing/judge.ts";
import { type FakePackage, indexText } from "./testing/universe.ts";

const goal = { medianMs: 150 };
const keyName = "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub";

function resolving(records: readonly ApkRecord[], world: readonly string[]): PreparedBench {
  return { run: () => void new Resolver([{ records }]).resolve(world) };
}

/** A package depends on one half as far down the list, and on the library of one a third as far; every tenth has three versions. */
function generated(count: number): FakePackage[] {
  const packages: FakePackage[] = [];
  for (let index = 0; index < count; index += 1) {
    const half = Math.floor(index / 2);
    const depends = index === 0 ? "" : `p${half}>=1 so:lib${Math.floor(index / 3)}.so.1`;
    const provides = `so:lib${index}.so.1=1.${index} cmd:c${index}=1`;
    const versions = index % 10 === 0 ? ["1.0-r0", "1.1-r0", "2.0_rc1-r3"] : ["1.0-r0"];
    for (const version of versions) packages.push({ name: `p${index}`, version, depends, provides });
  }
  return packages;
}

const cases: readonly BenchCase[] = [
  {
    name: "solver: a world of 20 on a generated index of 5,000",
    goal,
    prepare: () => {
      const records = parseIndex(indexText(generated(5000)), "generated");
      return resolving(
        records,
        Array.from({ length: 20 }, (_, index) => `p${4999 - index * 13}`),
      );
    },
  },
  {
    name: "solver: a base image's world on Alpine's real index",
    goal,
    prepare: async () => {
      const archive = realData("APKINDEX-v3.16-main-x86_64.tar.gz");
      if (archive === undefined) return { skip: "the real index is not here" };
      const keys = join(import.meta.dirname, "../../../../images/keys/alpine", keyName);
      const trusted = readTrustedKeys(new Map([[keyName, await readFile(keys, "utf8")]]));
      const { records } = await readIndexArchive(await readFile(archive), trusted, "v3.16");
      return resolving(records, [
        "busybox",
        "ca-certificates",
        "coreutils",
        "bash",
        "util-linux",
        "linux-virt",
      ]);
    },
  },
];
export default cases;
