// kelpie images check

import { checkImage, formatImageVersion } from "@kelpie/images";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesCheckJson } from "../json/images-check.ts";
import { printJson } from "../output/json.ts";
import { formatTable } from "../output/table.ts";

export const imagesCheck = command({
  positionals: "VERSION",
  options: { arch: archOption },
  json: () => import("../json/images-check.ts"),
  details:
    "Looks into kernel, initrd and root file system for what a VM needs of them, without booting. Exits with 1 where\nanything is missing. `kelpie images verify` compares the files with their digests.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home, signal } = context;
    const image = await storedImage(context, positionals, options.arch, "kelpie images check latest");
    const findings = await checkImage(platform, home, image, signal);
    const isSound = findings.every(({ isMet }) => isMet);
    if (json) {
      const version = formatImageVersion(image.version);
      const { architecture } = image;
      printJson<ImagesCheckJson>(terminal, { version, architecture, sound: isSound, findings });
    } else {
      const rows = findings.map(({ what, isMet, found }) => [isMet ? "ok" : "MISSING", what, found]);
      terminal.stdout.write(formatTable(["STATE", "WHAT", "FOUND"], rows));
    }
    return isSound ? 0 : 1;
  },
});
