// kelpie quickstart

import { join } from "node:path";
import { type BuiltImage, formatImageVersion } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../architecture.ts";
import { build, requirePrograms } from "../build.ts";
import { command, type CommandContext } from "../command.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";
import { sandboxOf } from "../sandbox-options.ts";
import { runGuestCommand } from "../sandbox.ts";
import { emulatorsFor } from "../setup/requirement.ts";

const greeting = "uname -a; cat /etc/os-release /etc/kelpie-version";

export const quickstart = command({
  options: {},
  details:
    "Builds the Alpine image, or the Debian one where Alpine's mirror cannot be reached. A second run takes seconds: what\nwas downloaded and compiled is kept under KELPIE_HOME.",
  async run(context) {
    const { platform, terminal } = context;
    const architecture = architectureOf(context, undefined);
    const phases = new Phases(terminal, platform.clock);
    await requirePrograms(context, emulatorsFor([architecture]));

    phases.say(`Building an image for ${architecture}`);
    const { image } = await buildWhatCanBeReached(context, phases);
    const version = formatImageVersion(image.version);
    phases.say(
      `Built ${image.name} ${version}, ${formatSize(image.sizeBytes)}\n\nBooting it to run: ${greeting}`,
    );

    const start = platform.clock.monotonicMs();
    const code = await runGuestCommand(context, {
      ...sandboxOf(context, image),
      request: { argv: ["sh", "-c", greeting] },
    });
    phases.done("boot and run", platform.clock.monotonicMs() - start, "");
    if (code !== 0) return code;
    phases.say(nextSteps);
    return 0;
  },
});

/** The Alpine image; the Debian one, and why, where Alpine's mirror does not answer. */
async function buildWhatCanBeReached(context: CommandContext, phases: Phases): Promise<BuiltImage> {
  const architecture = architectureOf(context, undefined);
  const { images } = context.installation;
  try {
    return await build(context, phases, { spec: join(images, "kelpie-base.yaml"), architecture });
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "unreachable") throw error;
    phases.say(`${error.message}\nTaking Debian 12 (images/kelpie-debian.yaml) instead of Alpine 3.19`);
    return build(context, phases, { spec: join(images, "kelpie-debian.yaml"), architecture });
  }
}

const nextSteps = `
Try next:
  ./kelpie run -- sh -c 'echo hello from $(uname -r)'
  ./kelpie images list
  ./kelpie help`;
