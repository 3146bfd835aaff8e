// kelpie images vendor

import { join } from "node:path";
import {
  type ImageLock,
  type KeptFile,
  keepIn,
  lockPlan,
  parseRepository,
  planImage,
  pushVendored,
  vendoredLockPath,
  vendorImage,
  writeVendoredLayout,
} from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architecturesOf, architecturesOption } from "../architecture.ts";
import { buildOptions } from "../build.ts";
import type { ImagesVendorJson } from "../json/images-vendor.ts";
import { printJson } from "../output/json.ts";
import { type CommandContext, command } from "../command.ts";
import { readLockFile, writeLockFile } from "../lock-file.ts";
import { layoutPrefix, lockChoice, lockOptions, sourceOptions } from "../lock-options.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";

export const imagesVendor = command({
  options: {
    output: {
      type: "string",
      value: "PLACE",
      help: "Where to keep everything: a directory, or oci:DIR for a new OCI image layout",
    },
    push: {
      type: "string",
      value: "REPOSITORY",
      help: "Keep it in a repository of a registry, as an OCI artifact",
    },
    spec: sourceOptions.spec,
    arch: architecturesOption,
    locked: lockOptions.locked,
    unlocked: lockOptions.unlocked,
    offline: sourceOptions.offline,
  },
  json: () => import("../json/images-vendor.ts"),
  details:
    "Keeps packages, kernel, base tarball and the guest's compiled programs, and the lock that names them. It builds without\nmirrors, compiler or cache: kelpie images build --spec FILE --vendored PLACE, where PLACE is what this command prints.",
  async run(context, { options, json }) {
    const { platform, terminal, installation } = context;
    const { output, push } = options;
    if (output === undefined && push === undefined)
      throw new KelpieError("usage", "--output or --push is missing: where to keep everything");
    // A name that is none is said before anything takes time.
    if (push !== undefined) parseRepository(push, "vendored");
    const directory = output?.startsWith(layoutPrefix) === true ? undefined : output;
    const spec = options.spec ?? join(installation.images, "kelpie-base.yaml");
    const chosen = architecturesOf(context, options.arch);
    const phases = new Phases(terminal, platform.clock);
    const kept: KeptFile[] = [];
    const vendored = [];
    let locks: ImageLock = {};
    for (const architecture of chosen) {
      const request = { spec, architecture, offline: options.offline, lock: lockChoice(options) };
      const build = await buildOptions(context, phases, request);
      const lock = build.lock ?? lockPlan(build.spec, await planImage(build));
      const keep = async (place: string, path: string): Promise<void> => {
        kept.push({ place, path });
        if (directory !== undefined) await keepIn(platform, directory)(place, path);
      };
      const found = await phases.run(
        "vendor",
        (note) => vendorImage({ ...build, lock, keep, onFile: note }),
        ({ files, sizeBytes }) => `${architecture}: ${files} files, ${formatSize(sizeBytes)}`,
      );
      locks = { ...locks, [architecture]: lock };
      if (directory !== undefined) {
        const path = vendoredLockPath(directory);
        await writeLockFile(platform, path, { ...(await readLockFile(platform, path)), ...locks });
      }
      vendored.push({ architecture, ...found });
    }
    const places = await putAway(context, phases, { output, push }, locks, kept);
    if (json) printJson<ImagesVendorJson>(terminal, { places, vendored });
    else terminal.stdout.write(places.map((place) => `${place}\n`).join(""));
    return 0;
  },
});

/** Makes the artifact where one is wanted; what names each place for a build. */
async function putAway(
  { platform, signal }: CommandContext,
  phases: Phases,
  { output, push }: { readonly output: string | undefined; readonly push: string | undefined },
  locks: ImageLock,
  kept: readonly KeptFile[],
): Promise<readonly string[]> {
  const places = output === undefined ? [] : [output];
  if (output?.startsWith(layoutPrefix) === true) {
    const directory = output.slice(layoutPrefix.length);
    await phases.run(
      "layout",
      () => writeVendoredLayout(platform, directory, locks, kept, signal),
      (digest) => digest,
    );
  }
  if (push !== undefined) {
    const repository = parseRepository(push, "vendored");
    const reference = await phases.run(
      "push",
      () => pushVendored(platform, repository, locks, kept, { signal }),
      (pushed) => pushed,
    );
    places.push(reference);
  }
  return places;
}
