// kelpie images list

import { formatImageVersion, ImageStore, type StoredImage } from "@kelpie/images";
import { command } from "../command.ts";
import type { ImagesListJson } from "../json/images-list.ts";
import { printJson } from "../output/json.ts";
import { storedImageJson } from "../output/stored-image.ts";
import { formatSize } from "../output/size.ts";
import { formatTable } from "../output/table.ts";

export const imagesList = command({
  options: {},
  json: () => import("../json/images-list.ts"),
  async run({ platform, terminal, home }, { json }) {
    const { images, broken } = await new ImageStore(platform, home).list();
    for (const { directory, reason } of broken) {
      terminal.stderr.write(`kelpie: images/${directory} cannot be used: ${reason}\n`);
    }
    if (json) {
      printJson<ImagesListJson>(terminal, { images: images.map(listedImage), broken });
      return 0;
    }
    if (images.length === 0) {
      terminal.stderr.write("There are no images yet. `kelpie quickstart` builds one and runs it.\n");
      return 0;
    }
    const rows = images.map((image) => [
      formatImageVersion(image.version),
      image.architecture,
      image.name,
      image.distribution,
      image.kernelRelease,
      formatSize(image.sizeBytes),
    ]);
    terminal.stdout.write(formatTable(["VERSION", "ARCH", "NAME", "DISTRIBUTION", "KERNEL", "SIZE"], rows));
    return 0;
  },
});

function listedImage(image: StoredImage): ImagesListJson["images"][number] {
  const { name, distribution, kernelRelease, hostname, buildDate, sizeBytes, tags, references } = image;
  return {
    ...storedImageJson(image),
    ...{ name, distribution, kernelRelease, hostname, buildDate, sizeBytes, tags, references },
  };
}
