// kelpie images import

import { importImage } from "@kelpie/images";
import { onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesImportJson } from "../json/images-import.ts";
import { printJson } from "../output/json.ts";
import { storedImageJson } from "../output/stored-image.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";
import { transferPhase } from "../output/transfer.ts";
import { trustNote } from "../output/trust.ts";

export const imagesImport = command({
  positionals: "FILE",
  options: {
    sha256: { type: "string", value: "DIGEST", help: "What the file must be, in hexadecimal" },
  },
  json: () => import("../json/images-import.ts"),
  details: "FILE is what `kelpie images export` writes: a release's NAME-VERSION-ARCH.tar.gz.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home, signal } = context;
    const path = onlyPositional(
      positionals,
      "one file",
      "kelpie images import kelpie-base-1.0.0-amd64.tar.gz",
    );
    const { sha256 } = options;
    const trust = trustNote();
    const phases = new Phases(terminal, platform.clock);
    const image = await transferPhase(
      phases,
      platform.clock,
      "import",
      (onProgress) =>
        importImage({
          platform,
          home,
          path,
          sha256: sha256?.toLowerCase(),
          onProgress,
          onTrust: trust.onTrust,
          signal,
        }),
      ({ sizeBytes }) => formatSize(sizeBytes) + trust.text(),
    );
    const stored = storedImageJson(image);
    if (json) printJson<ImagesImportJson>(terminal, stored);
    else terminal.stdout.write(`${stored.version}\n`);
    return 0;
  },
});
