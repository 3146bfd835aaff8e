// kelpie sandbox boot-chart

import { bootFiles, formatImageVersion } from "@kelpie/images";
import { writeFileAtomic, printableLine } from "@kelpie/platform";
import { Sandbox } from "@kelpie/sandbox";
import { barsOf, chartSvg, chartText } from "../boot-chart/boot-chart.ts";
import { architectureOf } from "../architecture.ts";
import { archOption, imageForUse } from "../choose-image.ts";
import { command } from "../command.ts";
import type { SandboxBootChartJson } from "../json/sandbox-boot-chart.ts";
import { printJson } from "../output/json.ts";

const nanosecondsPerMs = 1e6;
/** Of what a guest says: agent.proto allows so many steps, and a name is a word or two. */
const mostSteps = 256;
const longestName = 60;

export const sandboxBootChart = command({
  options: {
    image: { type: "string", short: "i", value: "VERSION", help: "The image to boot [default: latest]" },
    arch: archOption,
    svg: { type: "string", value: "FILE", help: "Draw it into FILE, for a browser" },
  },
  json: () => import("../json/sandbox-boot-chart.ts"),
  details: "Boots the image once, from nothing, and ends it when it has answered.",
  async run(context, { options, json }) {
    const { platform, terminal, home, signal } = context;
    const architecture = architectureOf(context, options.arch);
    const image = await imageForUse(context, options.image ?? "latest", architecture);
    const startMs = platform.clock.monotonicMs();
    await using sandbox = await Sandbox.create({
      platform,
      home,
      signal,
      start: "cold",
      image: bootFiles(image),
    });
    const guestNowMs = await sandbox.agent.bootTimeMs({ signal });
    const totalMs = platform.clock.monotonicMs() - startMs;
    const { bootTrace } = await sandbox.agent.info({ signal });
    const bars = barsOf({
      totalMs,
      guestNowMs,
      steps: bootTrace.slice(0, mostSteps).map(({ name, endBootNs }) => ({
        name: printableLine(name).slice(0, longestName),
        endMs: Number(endBootNs) / nanosecondsPerMs,
      })),
    });
    if (options.svg !== undefined) {
      const title = `${image.name} ${formatImageVersion(image.version)} for ${architecture}`;
      await writeFileAtomic(platform, options.svg, chartSvg(title, bars));
    }
    if (json) printJson<SandboxBootChartJson>(terminal, { bars });
    else terminal.stdout.write(chartText(bars));
    return 0;
  },
});
