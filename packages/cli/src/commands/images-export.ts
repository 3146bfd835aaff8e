// kelpie images export

import { type ContainerFormat, containerFormats, exportContainer, exportImage } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { onlyPositional, storedImage } from "../choose-image.ts";
import { storedImages } from "../choose-images.ts";
import { type CommandContext, command } from "../command.ts";
import type { ImagesExportJson } from "../json/images-export.ts";
import { printJson } from "../output/json.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";
import { transferPhase } from "../output/transfer.ts";
import { signerFor, signOption } from "../signing.ts";

const example = "kelpie images export 1.0 --output dist/";

interface Chosen {
  readonly positionals: readonly string[];
  readonly arch: string | undefined;
  readonly output: string | undefined;
  readonly sign: string | undefined;
}

export const imagesExport = command({
  positionals: "VERSION",
  options: {
    format: {
      type: "string",
      value: "FORMAT",
      help: "kelpie, or as a container image: docker-archive or oci [default: kelpie]",
    },
    arch: {
      type: "string",
      value: "ARCH",
      help: "amd64 or arm64 [default: this machine's; for oci all that the store has]",
    },
    output: {
      type: "string",
      short: "o",
      value: "PATH",
      help: "A file, or a directory (made if it ends in /) in which the archive gets its own name [default: .]",
    },
    sign: signOption,
  },
  json: () => import("../json/images-export.ts"),
  details: [
    "The same image gives the same bytes in every format.",
    "kelpie          NAME-VERSION-ARCH.tar.gz for kelpie images import, and its digest in SHA256SUMS beside it, which --sign signs",
    "docker-archive  NAME-VERSION-ARCH.docker.tar for docker load and podman load, which call it NAME:VERSION and NAME:latest",
    "oci             an OCI image layout over several architectures: an archive if PATH ends in .tar, else a new directory",
  ].join("\n"),
  async run(context, { options, positionals, json }) {
    const { terminal } = context;
    const { format = "kelpie", arch, output, sign } = options;
    const chosen = { positionals, arch, output, sign };
    const container = containerFormats.find((known) => known === format);
    if (container === undefined && format !== "kelpie") {
      throw new KelpieError("usage", "There is no such format", {
        expected: ["kelpie", ...containerFormats].join(", "),
        found: JSON.stringify(format),
      });
    }
    if (container !== undefined && sign !== undefined) {
      throw new KelpieError("usage", "Only a list of checksums is signed here, and this format has none", {
        help: "A container image is signed where it is pushed: kelpie images push --sign.",
      });
    }
    const exported =
      container === undefined
        ? await exportAsset(context, chosen)
        : await exportAsContainer(context, container, chosen);
    if (json) printJson<ImagesExportJson>(terminal, exported);
    else terminal.stdout.write(`${exported.path}\n`);
    return 0;
  },
});

async function exportAsset(
  context: CommandContext,
  { positionals, arch, output = ".", sign }: Chosen,
): Promise<ImagesExportJson> {
  const { platform, terminal, signal } = context;
  const image = await storedImage(context, positionals, arch, example);
  const signer = await signerFor(context, sign);
  return transferPhase(
    new Phases(terminal, platform.clock),
    platform.clock,
    "export",
    (onProgress) => exportImage({ platform, image, output, signer, onProgress, signal }),
    ({ sizeBytes }) => formatSize(sizeBytes),
  );
}

async function exportAsContainer(
  context: CommandContext,
  format: ContainerFormat,
  { positionals, arch, output }: Chosen,
): Promise<ImagesExportJson> {
  const { platform, terminal, signal } = context;
  const reference = onlyPositional(positionals, "one image of the store", example);
  const images =
    format === "oci"
      ? await storedImages(context, reference, arch)
      : [await storedImage(context, positionals, arch, example)];
  if (output === undefined && format === "oci") {
    throw new KelpieError("usage", "--output is missing: where the layout goes", {
      help: "For example: --output kelpie-base.oci.tar",
    });
  }
  return new Phases(terminal, platform.clock).run(
    "export",
    () => exportContainer({ platform, images, format, output: output ?? ".", signal }),
    ({ name }) => `${name} for ${images.map(({ architecture }) => architecture).join(" and ")}`,
  );
}
