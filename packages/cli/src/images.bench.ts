// How long commands about images take, from typing to the prompt: packages, kernel and guest programs in the cache.

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchCase } from "../../../tools/bench/case.ts";
import { makeHome, root, succeeds } from "./testing/kelpie-command.ts";

const spec = join(root, "images/kelpie-debian.yaml");

function building(name: string, architecture: string, medianMs: number): BenchCase {
  return {
    name,
    goal: { medianMs },
    runs: 5,
    prepare: ({ scratch }) => {
      const home = join(scratch, "home");
      makeHome(home);
      const lock = join(scratch, "debian.lock.yaml");
      succeeds(home, ["images", "lock", "--spec", spec, "--arch", architecture, "--output", lock]);
      const build = ["images", "build", "--spec", spec, "--arch", architecture, "--locked", lock];
      // What is missing in the cache is fetched once.
      succeeds(home, build);
      return {
        reset: () => rmSync(join(home, "images"), { recursive: true, force: true }),
        run: () => void succeeds(home, build),
      };
    },
  };
}

const cases: readonly BenchCase[] = [
  building("images: build a locked Debian for amd64", "amd64", 1500),
  building("images: build a locked Debian for both architectures", "all", 2500),
  {
    name: "images: list",
    runs: 11,
    prepare: ({ scratch }) => {
      const home = join(scratch, "home");
      makeHome(home);
      return { run: () => void succeeds(home, ["images", "list"]) };
    },
  },
];
export default cases;
