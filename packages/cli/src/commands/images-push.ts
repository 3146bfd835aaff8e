// kelpie images push

import type { ImageForm } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { storedImages } from "../choose-images.ts";
import { command } from "../command.ts";
import type { ImagesPushJson } from "../json/images-push.ts";
import { printJson } from "../output/json.ts";
import { signOption } from "../signing.ts";
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
    form: {
      type: "string",
      value: "FORM",
      help: "vm (for Kelpie), container (for docker and its like) or all [default: all]",
    },
    sign: signOption,
  },
  json: () => import("../json/images-push.ts"),
  details:
    "Logins are those of `docker login` and `podman login`, or KELPIE_REGISTRY_TOKEN (with KELPIE_REGISTRY_USER). What the\nregistry has is not sent again; images for other architectures under the same version stay.\nBoth forms stand behind one tag: kelpie images pull takes the one, docker run the other.",
  async run(context, { options, positionals: [reference, ...more], json }) {
    const { terminal } = context;
    const { registry, tag } = options;
    if (reference === undefined || more.length > 0 || registry === undefined) {
      throw new KelpieError("usage", "Pushing takes one version and a registry", {
        help: "For example: kelpie images push 1.0 --registry ghcr.io/your-org/kelpie-base",
      });
    }
    const pushed = await push(context, {
      images: await storedImages(context, reference, options.arch),
      registry,
      forms: formsOf(options.form),
      tags: tag === undefined ? [] : [tag],
      mountFrom: options["mount-from"],
      sign: options.sign,
    });
    if (json) printJson<ImagesPushJson>(terminal, pushed);
    else terminal.stdout.write(`${pushed.reference}\n`);
    return 0;
  },
});

function formsOf(option: string | undefined): readonly ImageForm[] {
  switch (option) {
    case undefined:
    case "all":
      return ["vm", "container"];
    case "vm":
    case "container":
      return [option];
    default:
      throw new KelpieError("usage", "There is no such form of an image", {
        expected: "vm, container or all",
        found: JSON.stringify(option),
      });
  }
}
