// kelpie images remove

import { formatImageVersion } from "@kelpie/images";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import { removeImage } from "../remove-image.ts";

export const imagesRemove = command({
  positionals: "VERSION",
  options: { arch: archOption },
  async run(context, { options, positionals }) {
    const image = await storedImage(
      context,
      positionals,
      options.arch,
      "kelpie images remove 1.0.0-20260115-a3f4d21",
    );
    await removeImage(context, image);
    context.terminal.stderr.write(`Removed ${formatImageVersion(image.version)} for ${image.architecture}\n`);
    return 0;
  },
});
