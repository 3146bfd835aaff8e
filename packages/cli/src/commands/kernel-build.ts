// kelpie kernel build

import { join } from "node:path";
import { type BuiltKernel, kelpieKernel } from "@kelpie/images";
import { architecturesOf, architecturesOption } from "../architecture.ts";
import { command } from "../command.ts";
import type { KernelBuildJson } from "../json/kernel-build.ts";
import { printJson } from "../output/json.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";

export const kernelBuild = command({
  options: {
    arch: architecturesOption,
    config: { type: "string", value: "FILE", help: "Options on top of those of images/kernel" },
  },
  json: () => import("../json/kernel-build.ts"),
  details:
    "Compiles Linux from Debian's verified source with the options of images/kernel. A kernel whose source, options and\ncompiler are those of an earlier build comes from the cache. A spec takes it by `kernel: {source: kelpie}`.",
  async run(context, { options, json }) {
    const { platform, terminal, installation, home, signal } = context;
    const chosen = architecturesOf(context, options.arch);
    const phases = new Phases(terminal, platform.clock);
    const built = [];
    for (const architecture of chosen) {
      const kernel = await phases.run(
        `kernel ${architecture}`,
        (note) =>
          kelpieKernel({
            platform,
            home,
            architecture,
            configDirectory: join(installation.images, "kernel"),
            ...(options.config === undefined ? {} : { fragments: [options.config] }),
            onProgress: note,
            signal,
          }),
        summary,
      );
      built.push({ architecture, ...kernel });
    }
    if (json) printJson<KernelBuildJson>(terminal, { kernels: built });
    else terminal.stdout.write(built.map(({ directory }) => `${directory}\n`).join(""));
    return 0;
  },
});

function summary({ release, compiler, seconds, sizeBytes }: BuiltKernel): string {
  const images = Object.entries(sizeBytes).filter(([name]) => name.startsWith("vmlinu"));
  const sizes = images.map(([name, bytes]) => `${name} ${formatSize(bytes)}`).join(", ");
  return `${release}: ${sizes}; compiled in ${seconds} s by ${compiler}`;
}
