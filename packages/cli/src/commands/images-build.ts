// kelpie images build

import { join } from "node:path";
import { formatImageVersion, parseReleaseVersion } from "@kelpie/images";
import { architectures, KelpieError } from "@kelpie/platform";
import { architectureOf, build } from "../build.ts";
import { command } from "../command.ts";
import { Phases } from "../output/phases.ts";

export const imagesBuild = command({
  options: {
    spec: {
      type: "string",
      value: "FILE",
      help: "The image's spec [default: kelpie-base.yaml, Alpine 3.19]",
    },
    arch: { type: "string", value: "ARCH", help: "amd64, arm64 or all [default: this machine's]" },
    version: {
      type: "string",
      value: "VERSION",
      help: "MAJOR.MINOR.PATCH[-PRERELEASE] [default: the spec's]",
    },
    "base-tarball": {
      type: "string",
      value: "FILE",
      help: "A local copy of the spec's base tarball; its digest must match",
    },
    offline: { type: "boolean", help: "Download nothing: take everything from the cache" },
    push: { type: "boolean", help: "Push the image to --registry" },
    registry: { type: "string", value: "REGISTRY", help: "Where to push to" },
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "The last line on standard output is the image's full version. Its date and commit are the checkout's, or those of\nSOURCE_DATE_EPOCH, so that building again gives the same bytes.",
  async run(context, { options }) {
    const { platform, terminal, installation } = context;
    if (options.push === true) {
      throw new KelpieError("unsupported", "Pushing to a registry is not built yet", {
        help: "Build without --push: the image lands in the local store.",
      });
    }
    if (options.version !== undefined) parseReleaseVersion(options.version);
    const chosen = options.arch === "all" ? architectures : [architectureOf(context, options.arch)];
    const phases = new Phases(terminal, platform.clock);
    const built = [];
    for (const architecture of chosen) {
      if (chosen.length > 1) phases.say(architecture);
      const { image } = await build(context, phases, {
        spec: options.spec ?? join(installation.images, "kelpie-base.yaml"),
        architecture,
        version: options.version,
        baseTarball: options["base-tarball"],
        offline: options.offline,
      });
      built.push({ version: formatImageVersion(image.version), architecture, directory: image.directory });
    }
    if (options.json === true) terminal.stdout.write(`${JSON.stringify({ images: built }, undefined, 2)}\n`);
    else terminal.stdout.write(`${built.at(-1)?.version ?? ""}\n`);
    return 0;
  },
});
