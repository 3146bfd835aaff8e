// kelpie images verify

import {
  type FileVerdict,
  formatImageVersion,
  ImageStore,
  type StoredImage,
  verifyImage,
} from "@kelpie/images";
import { architectureOf } from "../architecture.ts";
import { archOption, storedImage } from "../choose-image.ts";
import { command, type CommandContext } from "../command.ts";
import type { ImagesVerifyJson } from "../json/images-verify.ts";
import { printJson } from "../output/json.ts";

export const imagesVerify = command({
  positionals: "[VERSION]",
  options: { arch: archOption },
  json: () => import("../json/images-verify.ts"),
  details:
    "Reads every file of an image, or of all images where none is named, and holds it against metadata.json. Exits with 1\nwhere anything is damaged. A bill of materials or provenance may be absent: an image can be pulled without.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home, signal } = context;
    const store = new ImageStore(platform, home);
    const results = [];
    for (const image of await chosenImages(context, store, positionals, options.arch)) {
      const files = await verifyImage(platform, store, image, signal);
      const version = formatImageVersion(image.version);
      const { architecture } = image;
      results.push({ version, architecture, files });
      if (json) continue;
      for (const verdict of files) {
        const state = verdict.kind === "damaged" ? `DAMAGED: ${verdict.reason.message}` : verdict.kind;
        terminal.stdout.write(`${version} ${architecture} ${verdict.file}: ${state}\n`);
      }
    }
    if (json) {
      const images = results.map(({ files, ...image }) => ({ ...image, files: files.map(verdictJson) }));
      printJson<ImagesVerifyJson>(terminal, { images });
    }
    return results.every(({ files }) => files.every(({ kind }) => kind !== "damaged")) ? 0 : 1;
  },
});

function verdictJson(verdict: FileVerdict): ImagesVerifyJson["images"][number]["files"][number] {
  return verdict.kind === "damaged" ? { ...verdict, reason: verdict.reason.toJSON() } : verdict;
}

async function chosenImages(
  context: CommandContext,
  store: ImageStore,
  positionals: readonly string[],
  architecture: string | undefined,
): Promise<readonly StoredImage[]> {
  if (positionals.length > 0)
    return [await storedImage(context, positionals, architecture, "kelpie images verify latest")];
  const { images } = await store.list();
  if (architecture === undefined) return images;
  const wanted = architectureOf(context, architecture);
  return images.filter((image) => image.architecture === wanted);
}
