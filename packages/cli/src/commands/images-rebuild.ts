// kelpie images rebuild

import { join } from "node:path";
import { formatImageVersion, rebuildImage } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../architecture.ts";
import { buildOptions } from "../build.ts";
import type { ImagesRebuildJson } from "../json/images-rebuild.ts";
import { printJson } from "../output/json.ts";
import { archOption, chooseImage } from "../choose-image.ts";
import { command } from "../command.ts";
import { lockChoice, lockOptions, sourceOptions } from "../lock-options.ts";
import { formatChanges } from "../output/changes.ts";
import { Phases } from "../output/phases.ts";

export const imagesRebuild = command({
  options: {
    verify: { type: "string", value: "IMAGE", help: "The image of the store to build once more; required" },
    spec: {
      type: "string",
      value: "FILE",
      help: "The spec that it was built from [default: the one of its name that comes with Kelpie]",
    },
    arch: archOption,
    "base-tarball": {
      type: "string",
      value: "FILE",
      help: "A local copy of the spec's base tarball; its digest must match",
    },
    ...lockOptions,
    offline: sourceOptions.offline,
  },
  json: () => import("../json/images-rebuild.ts"),
  details:
    "Builds with the image's own version, commit and time, compares every byte, and leaves the store as it is. Exits with 0\nwhere the image is reproduced, and with 1 and the differences where it is not.",
  async run(context, { options, json }) {
    const { platform, terminal, installation } = context;
    if (options.verify === undefined) throw new KelpieError("usage", "--verify IMAGE is missing");
    const architecture = architectureOf(context, options.arch);
    const image = await chooseImage(context, options.verify, architecture);
    const request = {
      spec: options.spec ?? join(installation.images, `${image.name}.yaml`),
      architecture,
      baseTarball: options["base-tarball"],
      offline: options.offline,
      lock: lockChoice(options),
    };
    const phases = new Phases(terminal, platform.clock);
    const found = await rebuildImage(await buildOptions(context, phases, request), image);
    const { files, metadata, packages } = found;
    const version = formatImageVersion(image.version);
    const isSame = files.length === 0;
    if (json) {
      printJson<ImagesRebuildJson>(terminal, { version, architecture, reproduced: isSame, ...found });
    } else if (isSame) {
      terminal.stdout.write(`${version} is reproduced: all files are the same, byte for byte\n`);
    } else {
      terminal.stdout.write(
        `${version} is not reproduced\n` +
          formatChanges("files", files) +
          formatChanges("metadata", metadata) +
          formatChanges("packages", packages),
      );
    }
    return isSame ? 0 : 1;
  },
});
