// kelpie images inspect

import { imageFileNames, type ImageMetadata, ImageStore } from "@kelpie/images";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import { formatSize } from "../output/size.ts";
import { formatTable } from "../output/table.ts";

export const imagesInspect = command({
  positionals: "VERSION",
  options: {
    arch: archOption,
    packages: { type: "boolean", help: "List the packages too" },
    json: { type: "boolean", help: "Print metadata.json" },
  },
  async run(context, { options, positionals }) {
    const { platform, terminal, home } = context;
    const image = await storedImage(context, positionals, options.arch, "kelpie images inspect latest");
    const metadata = await new ImageStore(platform, home).metadata(image);
    if (options.json === true) {
      terminal.stdout.write(`${JSON.stringify({ ...metadata, directory: image.directory }, undefined, 2)}\n`);
      return 0;
    }
    terminal.stdout.write(facts(metadata, image.directory));
    const files = imageFileNames.map((name) => {
      const { sizeBytes, sha256 } = metadata.files[name];
      return [name, formatSize(sizeBytes), sha256];
    });
    terminal.stdout.write(`\n${formatTable(["FILE", "SIZE", "SHA256"], files)}`);
    if (options.packages === true) {
      const rows = metadata.packages.map(({ name, version, license = "" }) => [name, version, license]);
      terminal.stdout.write(`\n${formatTable(["PACKAGE", "VERSION", "LICENCE"], rows)}`);
    }
    return 0;
  },
});

function facts(metadata: ImageMetadata, directory: string): string {
  const { name, version, architecture, distribution, kernel, guest, buildDate, gitSha, packages } = metadata;
  const rows: readonly (readonly [string, string])[] = [
    ["image", `${name} ${version} for ${architecture}`],
    ["distribution", `${distribution.id} ${distribution.version}, ${packages.length} packages`],
    [
      "kernel",
      `${kernel.release} (${[kernel.source, kernel.packageVersion, kernel.format].filter((word) => word !== "").join(" ")})`,
    ],
    ["agent", `protocol ${guest.protocol}, sha256 ${guest.agentSha256}`],
    ["built", `${buildDate} from ${gitSha}`],
    ["plan", `sha256 ${metadata.planSha256}`],
    ["directory", directory],
  ];
  return rows.map(([label, text]) => `${label.padEnd(14)}${text}\n`).join("");
}
