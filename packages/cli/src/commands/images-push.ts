// kelpie images push

import { formatImageVersion, findImage, ImageStore, type StoredImage } from "@kelpie/images";
import { architectures, KelpieError } from "@kelpie/platform";
import { architectureOf } from "../build.ts";
import { command } from "../command.ts";
import { push } from "../transfer.ts";

export const imagesPush = command({
  positionals: "VERSION",
  options: {
    registry: {
      type: "string",
      value: "REGISTRY",
      help: "Where to: a repository such as ghcr.io/your-org/kelpie-base, or a host",
    },
    arch: { type: "string", value: "ARCH", help: "amd64, arm64 or all [default: all that the store has]" },
    tag: { type: "string", value: "TAG", help: "Another tag beside the version, such as latest" },
    "mount-from": {
      type: "string",
      value: "NAME",
      help: "A repository of that registry that may have parts already",
    },
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "Logins are those of `docker login` and `podman login`, or KELPIE_REGISTRY_TOKEN (with KELPIE_REGISTRY_USER). What the\nregistry has is not sent again; images for other architectures under the same version stay.",
  async run(context, { options, positionals: [reference, ...more] }) {
    const { platform, terminal, home } = context;
    const { registry, tag } = options;
    if (reference === undefined || more.length > 0 || registry === undefined) {
      throw new KelpieError("usage", "Pushing takes one version and a registry", {
        help: "For example: kelpie images push 1.0 --registry ghcr.io/your-org/kelpie-base",
      });
    }
    const { images } = await new ImageStore(platform, home).list();
    const chosen =
      options.arch === undefined || options.arch === "all"
        ? allOf(images, reference, options.arch === "all")
        : [findImage(images, reference, architectureOf(context, options.arch))];
    const pushed = await push(context, {
      images: chosen,
      registry,
      tags: tag === undefined ? [] : [tag],
      mountFrom: options["mount-from"],
    });
    if (options.json === true) terminal.stdout.write(`${JSON.stringify(pushed, undefined, 2)}\n`);
    else terminal.stdout.write(`${pushed.reference}\n`);
    return 0;
  },
});

/** The images that a reference names, of one version; each architecture's where they are asked for. */
function allOf(
  images: readonly StoredImage[],
  reference: string,
  areAllNeeded: boolean,
): readonly StoredImage[] {
  const there = architectures.filter((architecture) =>
    images.some((image) => image.architecture === architecture),
  );
  const wanted = areAllNeeded || there.length === 0 ? architectures : there;
  const found = wanted.flatMap((architecture) => {
    try {
      return [findImage(images, reference, architecture)];
    } catch (error) {
      if (areAllNeeded || wanted.length === 1 || !KelpieError.is(error) || error.code !== "not-found")
        throw error;
      return [];
    }
  });
  const [first] = found;
  if (first === undefined) return [findImage(images, reference, wanted[0] ?? "amd64")];
  const version = formatImageVersion(first.version);
  const others = found.filter((image) => formatImageVersion(image.version) !== version);
  if (others.length === 0) return found;
  throw new KelpieError(
    "usage",
    `${JSON.stringify(reference)} names different versions for different architectures`,
    {
      found: found.map((image) => `${formatImageVersion(image.version)} (${image.architecture})`).join(", "),
      help: "Name the whole version, or one architecture by --arch.",
    },
  );
}
