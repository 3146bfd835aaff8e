// kelpie images build

import { join } from "node:path";
import { defaultImageName, formatImageVersion, parseReleaseVersion, parseRepository } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architecturesOf, architecturesOption } from "../architecture.ts";
import { build } from "../build.ts";
import type { ImagesBuildJson } from "../json/images-build.ts";
import { printJson } from "../output/json.ts";
import { command } from "../command.ts";
import { lockChoice, lockOptions, sourceOptions } from "../lock-options.ts";
import { Phases } from "../output/phases.ts";
import { push } from "../transfer.ts";

export const imagesBuild = command({
  options: {
    spec: sourceOptions.spec,
    arch: architecturesOption,
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
    ...lockOptions,
    offline: sourceOptions.offline,
    push: { type: "boolean", help: "Push the image to --registry" },
    registry: { type: "string", value: "REGISTRY", help: "Where to push to" },
  },
  json: () => import("../json/images-build.ts"),
  details:
    "The last line on standard output is the image's full version. Its date and commit are the checkout's, or those of\nSOURCE_DATE_EPOCH, so that building again gives the same bytes.",
  async run(context, { options, json }) {
    const { platform, terminal, installation } = context;
    const registry = destination(options.push, options.registry);
    if (options.version !== undefined) parseReleaseVersion(options.version);
    const chosen = architecturesOf(context, options.arch);
    const phases = new Phases(terminal, platform.clock);
    const built = [];
    const images = [];
    for (const architecture of chosen) {
      if (chosen.length > 1) phases.say(architecture);
      const { image } = await build(context, phases, {
        spec: options.spec ?? join(installation.images, "kelpie-base.yaml"),
        architecture,
        version: options.version,
        baseTarball: options["base-tarball"],
        offline: options.offline,
        lock: lockChoice(options),
      });
      images.push(image);
      built.push({ version: formatImageVersion(image.version), architecture, directory: image.directory });
    }
    const pushed =
      registry === undefined
        ? undefined
        : await push(context, { images, registry, forms: ["vm", "container"] });
    if (json) printJson<ImagesBuildJson>(terminal, { images: built, pushed });
    else terminal.stdout.write(`${built.at(-1)?.version ?? ""}\n`);
    return 0;
  },
});

/** Where the images are pushed to, or undefined where they stay. */
function destination(isPush: boolean | undefined, registry: string | undefined): string | undefined {
  if (isPush !== true) return undefined;
  if (registry === undefined) {
    throw new KelpieError("usage", "--push needs --registry", {
      help: "For example: --push --registry ghcr.io/your-org/kelpie-base",
    });
  }
  // A name that is none is said before anything takes time.
  parseRepository(registry, defaultImageName);
  return registry;
}
