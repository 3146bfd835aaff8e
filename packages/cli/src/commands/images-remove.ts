// kelpie images remove

import { formatImageVersion, imageFile, ImageStore } from "@kelpie/images";
import { TemplateStore } from "@kelpie/sandbox";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";

export const imagesRemove = command({
  positionals: "VERSION",
  options: { arch: archOption },
  async run(context, { options, positionals }) {
    const { platform, terminal, home } = context;
    const image = await storedImage(
      context,
      positionals,
      options.arch,
      "kelpie images remove 1.0.0-20260115-a3f4d21",
    );
    await new ImageStore(platform, home).remove(image);
    await new TemplateStore(platform, home).removeOfImage(imageFile(image, "rootfs.ext4"));
    terminal.stderr.write(`Removed ${formatImageVersion(image.version)} for ${image.architecture}\n`);
    return 0;
  },
});
