// kelpie images inspect

import {
  imageFiles,
  type ImageMetadata,
  ImageStore,
  imageTreemap,
  kernelImages,
  type SizeBreakdown,
  sizeBreakdown,
  sizedFiles,
  treemapSvg,
} from "@kelpie/images";
import { writeFileAtomic } from "@kelpie/platform";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesInspectJson } from "../json/images-inspect.ts";
import { printJson } from "../output/json.ts";
import { formatShares } from "../output/shares.ts";
import { formatSize } from "../output/size.ts";
import { formatTable } from "../output/table.ts";

export const imagesInspect = command({
  positionals: "VERSION",
  options: {
    arch: archOption,
    packages: { type: "boolean", help: "List the packages too" },
    sizes: { type: "boolean", help: "Show where its bytes are: by package, directory and type of file" },
    svg: { type: "string", value: "FILE", help: "Draw its bytes as a treemap, for a browser" },
  },
  json: () => import("../json/images-inspect.ts"),
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home, signal } = context;
    const image = await storedImage(context, positionals, options.arch, "kelpie images inspect latest");
    const metadata = await new ImageStore(platform, home).metadata(image);
    let sizes: SizeBreakdown | undefined;
    if (options.sizes === true || options.svg !== undefined) {
      const sized = await sizedFiles(platform, image, signal);
      sizes = sizeBreakdown(metadata, sized);
      if (options.svg !== undefined)
        await writeFileAtomic(platform, options.svg, treemapSvg(imageTreemap(metadata, sizes, sized)));
    }
    const shownSizes = options.sizes === true ? sizes : undefined;
    if (json) {
      printJson<ImagesInspectJson>(terminal, { ...metadata, directory: image.directory, sizes: shownSizes });
      return 0;
    }
    terminal.stdout.write(facts(metadata, image.directory));
    const files = imageFiles(metadata).map(({ name, sizeBytes, sha256 }) => [
      name,
      formatSize(sizeBytes),
      sha256,
    ]);
    terminal.stdout.write(`\n${formatTable(["FILE", "SIZE", "SHA256"], files)}`);
    if (options.packages === true) {
      const rows = metadata.packages.map(({ name, version, license = "" }) => [name, version, license]);
      terminal.stdout.write(`\n${formatTable(["PACKAGE", "VERSION", "LICENCE"], rows)}`);
    }
    if (shownSizes !== undefined) terminal.stdout.write(sizeTables(shownSizes));
    return 0;
  },
});

function sizeTables({ parts, packages, directories, types, overheadBytes }: SizeBreakdown): string {
  return [
    formatShares("PART", parts, 10),
    formatShares("PACKAGE", packages, 15),
    formatShares("DIRECTORY", directories, 12),
    formatShares("TYPE", types, 10),
    `The root file system takes ${formatSize(overheadBytes)} beyond its files: free room and metadata.\n`,
  ]
    .map((table) => `\n${table}`)
    .join("");
}

function facts(metadata: ImageMetadata, directory: string): string {
  const { name, version, architecture, distribution, kernel, guest, buildDate, gitSha, packages } = metadata;
  const rows: readonly (readonly [string, string])[] = [
    ["image", `${name} ${version} for ${architecture}`],
    ["distribution", `${distribution.id} ${distribution.version}, ${packages.length} packages`],
    [
      "kernel",
      `${kernel.release} (${[kernel.source, kernel.packageVersion, kernel.format].filter((word) => word !== "").join(" ")})`,
    ],
    ...kernelImages(metadata).map(
      ({ file, format, vmms }) => ["", `${file} is ${format}: for ${vmms.join(", ")}`] as const,
    ),
    ...(kernel.build === undefined
      ? []
      : [["", `compiled by ${kernel.build.compiler}, options ${kernel.build.config}`] as const]),
    ["agent", `protocol ${guest.protocol}, sha256 ${guest.agentSha256}`],
    ["built", `${buildDate} from ${gitSha}`],
    ["plan", `sha256 ${metadata.planSha256}`],
    ["directory", directory],
  ];
  return rows.map(([label, text]) => `${label.padEnd(14)}${text}\n`).join("");
}
