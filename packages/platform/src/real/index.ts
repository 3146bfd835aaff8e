// This machine as a Platform.

import type { Platform } from "../platform.ts";
import { realClock } from "./clock.ts";
import { realFiles } from "./files.ts";
import { realHost } from "./host.ts";
import { realNetwork } from "./network.ts";
import { realProcesses } from "./processes.ts";
import { realRandom } from "./random.ts";

export const realPlatform: Platform = {
  clock: realClock,
  random: realRandom,
  files: realFiles,
  processes: realProcesses,
  network: realNetwork,
  host: realHost,
};
