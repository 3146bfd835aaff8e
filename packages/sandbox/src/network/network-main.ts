// The network of a sandbox that outlives the process that made it: one small process for each sandbox with `--net allow=`,
// until its machine is gone. Its only argument is the file of its settings.

import { dirname, join } from "node:path";
import {
  describeError,
  KelpieError,
  realPlatform,
  runMain,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { networkErrorFile } from "./launch-network.ts";
import { readNetworkSettings } from "./network-settings.ts";
import { serveNetwork } from "./serve-network.ts";

const settingsLimitBytes = 1 << 20;

await runMain(async ([path = ""], _terminal, signal) => {
  try {
    const text = new TextDecoder().decode(await realPlatform.files.readFile(path, settingsLimitBytes));
    const settings = readNetworkSettings(tryParseJson(text));
    if (settings === undefined)
      throw new KelpieError("malformed", "These are no settings of a network", { where: path });
    const served = await serveNetwork(realPlatform, { ...settings, signal });
    await served.ended;
    return 0;
  } catch (error) {
    await writeFileAtomic(realPlatform, join(dirname(path), networkErrorFile), describeError(error), 0o600);
    return 1;
  }
});
