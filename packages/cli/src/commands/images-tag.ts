// kelpie images tag

import { formatImageVersion, ImageStore } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../architecture.ts";
import { archOption, chooseImage } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesTagJson } from "../json/images-tag.ts";
import { printJson } from "../output/json.ts";

export const imagesTag = command({
  positionals: "VERSION TAG | --remove TAG",
  options: {
    arch: archOption,
    remove: { type: "string", value: "TAG", help: "Take a tag away; the image stays" },
  },
  json: () => import("../json/images-tag.ts"),
  details:
    "A tag names a version, of every architecture, until it is given to another: `kelpie run --image stable`.\nTagged images are never pruned.",
  async run(context, { options, positionals: [reference, tag, ...more], json }) {
    const { platform, terminal, home } = context;
    const store = new ImageStore(platform, home);
    if (options.remove !== undefined && reference === undefined) {
      await store.untag(options.remove);
      if (json) printJson<ImagesTagJson>(terminal, { tag: options.remove });
      return 0;
    }
    if (reference === undefined || tag === undefined || more.length > 0 || options.remove !== undefined) {
      throw new KelpieError("usage", "Tagging takes an image and a tag", {
        help: "For example: kelpie images tag 1.0 stable",
      });
    }
    const image = await chooseImage(context, reference, architectureOf(context, options.arch));
    await store.tag(image, tag);
    const version = formatImageVersion(image.version);
    if (json) printJson<ImagesTagJson>(terminal, { tag, version });
    else terminal.stderr.write(`${tag} is ${version}\n`);
    return 0;
  },
});
