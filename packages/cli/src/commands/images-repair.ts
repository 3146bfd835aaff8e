// kelpie images repair

import { downloadKeptMs, ImageStore, sweepDownloads } from "@kelpie/images";
import { command } from "../command.ts";
import type { ImagesRepairJson } from "../json/images-repair.ts";
import { printJson } from "../output/json.ts";
import { formatSize } from "../output/size.ts";

export const imagesRepair = command({
  options: {
    "remove-broken": {
      type: "boolean",
      help: "Remove directories with an image's name and no usable image in them",
    },
  },
  json: () => import("../json/images-repair.ts"),
  details:
    "Makes cache.json anew from the images, and sweeps what processes that died have left, beginnings of downloads\nafter a week. Exits with 1 where something\ncannot be used and stays. `kelpie images verify` reads what the images are made of.",
  async run({ platform, terminal, home }, { options, json }) {
    const store = new ImageStore(platform, home);
    const { images, broken, ...swept } = await store.repair(options["remove-broken"] === true);
    const downloads = await sweepDownloads(platform, home, downloadKeptMs);
    const removed = [...swept.removed, ...downloads.removed];
    const freedBytes = swept.freedBytes + downloads.freedBytes;
    if (json) {
      printJson<ImagesRepairJson>(terminal, { images: images.length, broken, removed, freedBytes });
    } else {
      for (const name of removed) terminal.stdout.write(`removed ${name}\n`);
      for (const { directory, reason } of broken)
        terminal.stdout.write(`images/${directory} cannot be used: ${reason}\n`);
      terminal.stderr.write(
        `${images.length} images; ${removed.length} leftovers and ${formatSize(freedBytes)} swept\n`,
      );
    }
    return broken.length === 0 ? 0 : 1;
  },
});
