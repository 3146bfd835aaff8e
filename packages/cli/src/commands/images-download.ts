// kelpie images download

import {
  configuredSources,
  defaultImageName,
  downloadImage,
  parseImageVersion,
  parseSource,
} from "@kelpie/images";
import { architectureOf } from "../architecture.ts";
import { archOption, onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesDownloadJson } from "../json/images-download.ts";
import { printJson } from "../output/json.ts";
import { storedImageJson } from "../output/stored-image.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";
import { transferPhase } from "../output/transfer.ts";
import { trustNote } from "../output/trust.ts";

export const imagesDownload = command({
  positionals: "[NAME:]VERSION",
  options: {
    arch: archOption,
    from: {
      type: "string",
      value: "SOURCE",
      help: "A registry's repository, a release's URL or a directory [default: those of config.yaml]",
    },
  },
  json: () => import("../json/images-download.ts"),
  details:
    "VERSION is a whole version, such as 1.0.0-20260115-a3f4d21; NAME is kelpie-base unless it is given. The sources are asked\nin the order in which KELPIE_HOME/config.yaml lists them under `sources:`. See docs/distribution.md.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home, signal } = context;
    const { host } = platform;
    const text = onlyPositional(positionals, "one version", "kelpie images download 1.0.0-20260115-a3f4d21");
    const colon = text.indexOf(":");
    const name = colon < 0 ? defaultImageName : text.slice(0, colon);
    const version = parseImageVersion(text.slice(colon + 1));
    const architecture = architectureOf(context, options.arch);
    const sources =
      options.from === undefined
        ? await configuredSources(platform, home, name)
        : [parseSource(options.from, host, host.workingDirectory, name)];
    const trust = trustNote();
    const phases = new Phases(terminal, platform.clock);
    const { image, source } = await transferPhase(
      phases,
      platform.clock,
      "download",
      (onProgress) =>
        downloadImage({
          platform,
          home,
          name,
          version,
          architecture,
          sources,
          onProgress,
          onTrust: trust.onTrust,
          signal,
        }),
      (result) =>
        result.source === undefined
          ? "was there"
          : `${formatSize(result.image.sizeBytes)} from ${result.source.text}${trust.text()}`,
    );
    const stored = storedImageJson(image);
    if (json) printJson<ImagesDownloadJson>(terminal, { ...stored, source: source?.text });
    else terminal.stdout.write(`${stored.version}\n`);
    return 0;
  },
});
