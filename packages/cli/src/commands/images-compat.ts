// kelpie images compat

import {
  findImage,
  ImageStore,
  type ImageVersion,
  restoreCompatibility,
  tryParseImageVersion,
} from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../architecture.ts";
import { command, type CommandContext } from "../command.ts";
import type { ImagesCompatJson } from "../json/images-compat.ts";
import { printJson } from "../output/json.ts";

export const imagesCompat = command({
  positionals: "SAVED PRESENT",
  options: {},
  json: () => import("../json/images-compat.ts"),
  details:
    "Says whether what was saved on the image SAVED may be restored on PRESENT: within one MAJOR.MINOR it may, with a warning\nwhere the patch level differs. Either is a whole version, or names an image of the store. Exits with 1 where it may not.",
  async run(context, { positionals: [saved, present, ...more], json }) {
    if (saved === undefined || present === undefined || more.length > 0) {
      throw new KelpieError("usage", "This command takes two versions", {
        help: "For example: kelpie images compat 1.0.0-20260115-a3f4d21 1.0.1-20260201-b7c9e04",
      });
    }
    const result = restoreCompatibility(await versionOf(context, saved), await versionOf(context, present));
    const isRefused = result.kind === "incompatible";
    const note = isRefused ? result.reason : result.kind === "compatible" ? result.warning : undefined;
    if (json) printJson<ImagesCompatJson>(context.terminal, result);
    else context.terminal.stdout.write(`${result.kind}${note === undefined ? "" : `: ${note}`}\n`);
    return isRefused ? 1 : 0;
  },
});

async function versionOf(context: CommandContext, text: string): Promise<ImageVersion> {
  const version = tryParseImageVersion(text);
  if (version !== undefined) return version;
  const { images } = await new ImageStore(context.platform, context.home).list();
  return findImage(images, text, architectureOf(context, undefined)).version;
}
