// kelpie images remove

import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesRemoveJson } from "../json/images-remove.ts";
import { printJson } from "../output/json.ts";
import { storedImageJson } from "../output/stored-image.ts";
import { removeImage } from "../remove-image.ts";

export const imagesRemove = command({
  positionals: "VERSION",
  options: { arch: archOption },
  json: () => import("../json/images-remove.ts"),
  async run(context, { options, positionals, json }) {
    const image = await storedImage(
      context,
      positionals,
      options.arch,
      "kelpie images remove 1.0.0-20260115-a3f4d21",
    );
    await removeImage(context, image);
    const stored = storedImageJson(image);
    if (json) printJson<ImagesRemoveJson>(context.terminal, stored);
    else context.terminal.stderr.write(`Removed ${stored.version} for ${stored.architecture}\n`);
    return 0;
  },
});
