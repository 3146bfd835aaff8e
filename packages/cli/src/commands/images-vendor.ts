// kelpie images vendor

import { join } from "node:path";
import { lockPlan, planImage, vendoredLockPath, vendorImage } from "@kelpie/images";
import { architectures, KelpieError } from "@kelpie/platform";
import { architectureOf, buildOptions } from "../build.ts";
import { command } from "../command.ts";
import { readLockFile, writeLockFile } from "../lock-file.ts";
import { lockChoice, lockOptions, sourceOptions } from "../lock-options.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";

export const imagesVendor = command({
  options: {
    output: { type: "string", value: "DIR", help: "Where to keep everything; required" },
    spec: sourceOptions.spec,
    arch: { type: "string", value: "ARCH", help: "amd64, arm64 or all [default: this machine's]" },
    locked: lockOptions.locked,
    unlocked: lockOptions.unlocked,
    offline: sourceOptions.offline,
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "Keeps packages, kernel, base tarball and the guest's compiled programs, and the lock that names them. It builds without\nmirrors, compiler or cache: kelpie images build --spec FILE --vendored DIR",
  async run(context, { options }) {
    const { platform, terminal, installation } = context;
    const { output: directory } = options;
    if (directory === undefined) throw new KelpieError("usage", "--output is missing");
    const spec = options.spec ?? join(installation.images, "kelpie-base.yaml");
    const chosen = options.arch === "all" ? architectures : [architectureOf(context, options.arch)];
    const phases = new Phases(terminal, platform.clock);
    const vendored = [];
    for (const architecture of chosen) {
      const request = { spec, architecture, offline: options.offline, lock: lockChoice(options) };
      const build = await buildOptions(context, phases, request);
      const lock = build.lock ?? lockPlan(build.spec, await planImage(build));
      const kept = await phases.run(
        "vendor",
        (note) => vendorImage({ ...build, lock, directory, onFile: note }),
        ({ files, sizeBytes }) => `${architecture}: ${files} files, ${formatSize(sizeBytes)}`,
      );
      const path = vendoredLockPath(directory);
      await writeLockFile(platform, path, { ...(await readLockFile(platform, path)), [architecture]: lock });
      vendored.push({ architecture, ...kept });
    }
    terminal.stdout.write(
      options.json === true ? `${JSON.stringify({ directory, vendored }, undefined, 2)}\n` : `${directory}\n`,
    );
    return 0;
  },
});
