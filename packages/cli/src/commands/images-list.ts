// kelpie images list

import { formatImageVersion, ImageStore } from "@kelpie/images";
import { command } from "../command.ts";
import { formatSize } from "../output/size.ts";
import { formatTable } from "../output/table.ts";

export const imagesList = command({
  options: { json: { type: "boolean", help: "Print JSON" } },
  async run({ platform, terminal, home }, { options }) {
    const { images, broken } = await new ImageStore(platform, home).list();
    for (const { directory, reason } of broken) {
      terminal.stderr.write(`kelpie: images/${directory} cannot be used: ${reason}\n`);
    }
    if (options.json === true) {
      const list = images.map((image) => ({ ...image, version: formatImageVersion(image.version) }));
      terminal.stdout.write(`${JSON.stringify({ images: list, broken }, undefined, 2)}\n`);
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
