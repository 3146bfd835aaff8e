// kelpie images warm

import { KelpieError } from "@kelpie/platform";
import { TemplateStore } from "@kelpie/sandbox";
import { command } from "../command.ts";
import type { ImagesWarmJson } from "../json/images-warm.ts";
import { printJson } from "../output/json.ts";
import { formatSize } from "../output/size.ts";
import { makeSandbox, sandboxOptions } from "../sandbox-options.ts";

const { arch, memory, cpus, disk, vmm } = sandboxOptions;

export const imagesWarm = command({
  positionals: "[VERSION]",
  options: { arch, memory, cpus, disk, vmm },
  json: () => import("../json/images-warm.ts"),
  details:
    "Makes the template that sandboxes of this image and shape are restored from, and tries it. Without it the first sandbox\ndoes so. Templates go with their image, and the longest unused when there are more than twelve.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home } = context;
    const [image, ...more] = positionals;
    if (more.length > 0) {
      throw new KelpieError("usage", "This command takes at most one image", {
        help: "For example: kelpie images warm latest --memory 1G",
      });
    }
    const named = image === undefined ? options : { ...options, image };
    await using sandbox = await makeSandbox(context, named, {});
    const { start } = sandbox;
    // Why it could not be made has been told.
    if (start?.kind !== "warm") return 1;
    const templates = await new TemplateStore(platform, home).list();
    const allocatedBytes = templates.find(({ key }) => key === start.template)?.allocatedBytes ?? 0;
    const { template, made, phases } = start;
    if (json) {
      printJson<ImagesWarmJson>(terminal, { template, made, allocatedBytes, phases });
      return 0;
    }
    const what = made === undefined ? "was there" : `was made, as ${made}`;
    terminal.stdout.write(`Template ${template} ${what}: ${formatSize(allocatedBytes)} on the disk\n`);
    return 0;
  },
});
