// kelpie images init

import { basename, dirname, join } from "node:path";
import { type ImageSpec, loadSpec, starterSpec } from "@kelpie/images";
import { architectures, type Files, KelpieError } from "@kelpie/platform";
import { command } from "../command.ts";
import type { ImagesInitJson } from "../json/images-init.ts";
import { printJson } from "../output/json.ts";

const distributions: readonly ImageSpec["distribution"][] = ["alpine", "debian"];

export const imagesInit = command({
  positionals: "[FILE]",
  options: {
    distribution: { type: "string", value: "NAME", help: "alpine or debian [default: alpine]" },
    name: { type: "string", value: "NAME", help: "The image's name [default: the file's]" },
  },
  json: () => import("../json/images-init.ts"),
  details:
    "Writes FILE [default: image.yaml] and, for Alpine, a directory `keys` beside it with the keys that sign Alpine's packages.\nNothing that is there already is changed.",
  async run({ platform, terminal, installation }, { options, positionals, json }) {
    const { files } = platform;
    const [path = "image.yaml", ...others] = positionals;
    if (others.length > 0) throw new KelpieError("usage", "Only one spec is written at a time");
    const distribution = distributions.find((each) => each === (options.distribution ?? "alpine"));
    if (distribution === undefined) {
      throw new KelpieError("usage", "There is no such distribution", {
        expected: distributions.join(" or "),
        found: options.distribution ?? "",
      });
    }
    const name = options.name ?? basename(path).replace(/\.ya?ml$/, "");
    await files.makeDirectory(dirname(path));
    await writeNew(files, path, starterSpec(name, distribution));
    try {
      // The name may be one that no spec can have.
      for (const architecture of architectures) await loadSpec(platform, path, architecture);
    } catch (error) {
      await files.remove(path);
      throw error;
    }
    if (distribution === "alpine") await putKeys(files, installation.images, join(dirname(path), "keys"));
    if (json) printJson<ImagesInitJson>(terminal, { spec: path, name, distribution });
    else terminal.stdout.write(`Wrote ${path}. Build it with: kelpie images build --spec ${path}\n`);
    return 0;
  },
});

/** @throws KelpieError `already-exists`. */
async function writeNew(files: Files, path: string, text: string): Promise<void> {
  await using handle = await files.open(path, "create", 0o644);
  await handle.write(new TextEncoder().encode(text), 0);
}

async function putKeys(files: Files, images: string, directory: string): Promise<void> {
  const source = join(images, "keys/alpine");
  await files.makeDirectory(directory);
  for (const name of await files.list(source)) {
    const to = join(directory, name);
    if ((await files.lstat(to)) === undefined) await files.copyFile(join(source, name), to);
  }
}
