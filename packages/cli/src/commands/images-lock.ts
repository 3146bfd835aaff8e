// kelpie images lock

import { join } from "node:path";
import { lockPath, lockPlan, planImage } from "@kelpie/images";
import { architectures } from "@kelpie/platform";
import { architecturesOf, architecturesOption } from "../architecture.ts";
import { buildOptions } from "../build.ts";
import type { ImagesLockJson } from "../json/images-lock.ts";
import { printJson } from "../output/json.ts";
import { command } from "../command.ts";
import { readLockFile, writeLockFile } from "../lock-file.ts";
import { sourceOptions } from "../lock-options.ts";
import { Phases } from "../output/phases.ts";

export const imagesLock = command({
  options: {
    spec: sourceOptions.spec,
    arch: architecturesOption,
    output: { type: "string", value: "FILE", help: "Where to write it [default: SPEC.lock.yaml]" },
    offline: sourceOptions.offline,
  },
  json: () => import("../json/images-lock.ts"),
  details:
    "What the lock has of other architectures stays as it is. `kelpie images build` takes the lock that stands beside its spec\nby itself, and `--unlocked` builds without.",
  async run(context, { options, json }) {
    const { platform, terminal, installation } = context;
    const spec = options.spec ?? join(installation.images, "kelpie-base.yaml");
    const path = options.output ?? lockPath(spec);
    const chosen = architecturesOf(context, options.arch);
    const phases = new Phases(terminal, platform.clock);
    let lock = await readLockFile(platform, path);
    for (const architecture of chosen) {
      if (chosen.length > 1) phases.say(architecture);
      const request = { spec, architecture, offline: options.offline, lock: { kind: "none" } } as const;
      const build = await buildOptions(context, phases, request);
      lock = { ...lock, [architecture]: lockPlan(build.spec, await planImage(build)) };
    }
    await writeLockFile(platform, path, lock);
    const locked = architectures.filter((architecture) => lock[architecture] !== undefined);
    if (json) printJson<ImagesLockJson>(terminal, { lock: path, architectures: locked });
    else terminal.stdout.write(`${path}\n`);
    return 0;
  },
});
