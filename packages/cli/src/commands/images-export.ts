// kelpie images export

import { exportImage } from "@kelpie/images";
import { archOption, storedImage } from "../choose-image.ts";
import { command } from "../command.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";
import { transferPhase } from "../output/transfer.ts";

export const imagesExport = command({
  positionals: "VERSION",
  options: {
    arch: archOption,
    output: {
      type: "string",
      short: "o",
      value: "PATH",
      help: "A file, or a directory (made if it ends in /) in which the archive gets its own name [default: .]",
    },
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "Writes NAME-VERSION-ARCH.tar.gz, the same bytes for the same image, and puts its digest into SHA256SUMS beside it.",
  async run(context, { options, positionals }) {
    const { platform, terminal, signal } = context;
    const image = await storedImage(
      context,
      positionals,
      options.arch,
      "kelpie images export 1.0 --output dist/",
    );
    const phases = new Phases(terminal, platform.clock);
    const exported = await transferPhase(
      phases,
      platform.clock,
      "export",
      (onProgress) => exportImage({ platform, image, output: options.output ?? ".", onProgress, signal }),
      ({ sizeBytes }) => formatSize(sizeBytes),
    );
    if (options.json === true) terminal.stdout.write(`${JSON.stringify(exported, undefined, 2)}\n`);
    else terminal.stdout.write(`${exported.path}\n`);
    return 0;
  },
});
