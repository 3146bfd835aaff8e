// kelpie version

import { join } from "node:path";
import { readTextIfPresent, tryParseJson } from "@kelpie/platform";
import { z } from "zod";
import { command } from "../command.ts";

const maxManifestBytes = 1 << 20;
const manifest = z.object({ version: z.string() });

export const version = command({
  withoutHome: true,
  options: {},
  async run({ platform, terminal, installation }) {
    const path = join(installation.root, "package.json");
    const text = await readTextIfPresent(platform.files, path, maxManifestBytes);
    const { data } = manifest.safeParse(text === undefined ? undefined : tryParseJson(text));
    terminal.stdout.write(`kelpie ${data?.version ?? "of an unknown version"}\n`);
    return 0;
  },
});
