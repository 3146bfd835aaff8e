// kelpie images sbom

import { type AttachmentName, ImageStore, readAttachment, readComponents } from "@kelpie/images";
import { KelpieError, writeFileAtomic } from "@kelpie/platform";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesSbomJson } from "../json/images-sbom.ts";
import { jsonText } from "../output/json.ts";
import { formatTable } from "../output/table.ts";

const formats: ReadonlyMap<string, AttachmentName> = new Map([
  ["table", "sbom.cdx.json"],
  ["spdx", "sbom.spdx.json"],
  ["cyclonedx", "sbom.cdx.json"],
  ["provenance", "provenance.intoto.json"],
]);

export const imagesSbom = command({
  positionals: "VERSION",
  options: {
    arch: archOption,
    format: {
      type: "string",
      value: "FORMAT",
      help: "table, spdx (2.3), cyclonedx (1.6) or provenance (in-toto, SLSA) [default: table]",
    },
    output: { type: "string", short: "o", value: "FILE", help: "Write to a file [default: standard output]" },
  },
  json: () => import("../json/images-sbom.ts"),
  details:
    "Shows what the image is made of, as the build recorded it: packages with licences and digests, every file with its\nowner, the kernel, the programs of Kelpie and their crates. The record is held against the image's metadata first.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home } = context;
    const { format = "table", output } = options;
    const image = await storedImage(context, positionals, options.arch, "kelpie images sbom latest");
    const name = formats.get(format);
    if (name === undefined) {
      throw new KelpieError("usage", "There is no such format", {
        expected: [...formats.keys()].join(", "),
        found: format,
      });
    }
    const metadata = await new ImageStore(platform, home).metadata(image);
    const bytes = await readAttachment(platform, image, metadata, name);
    const shown = format === "table" ? table(bytes, json) : bytes;
    if (output === undefined) terminal.stdout.write(shown);
    else await writeFileAtomic(platform, output, shown);
    return 0;
  },
});

function table(bytes: Uint8Array, isJson: boolean): string {
  const components = readComponents(bytes, "sbom.cdx.json");
  if (isJson) return jsonText<ImagesSbomJson>({ components });
  const rows = components.map(({ kind, name, version, files, license = "not stated" }) => [
    kind,
    name,
    version,
    files === 0 ? "" : `${files}`,
    license,
  ]);
  return formatTable(["KIND", "NAME", "VERSION", "FILES", "LICENCE"], rows);
}
