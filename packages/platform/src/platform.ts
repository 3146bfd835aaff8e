// The outside world in one value, handed down from the command or the simulation.

import type { Clock } from "./clock.ts";
import type { Files } from "./files.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { Processes } from "./processes.ts";
import type { Random } from "./random.ts";

/** All that Kelpie can touch. A function takes the parts that it needs, or the whole where it needs most. */
export interface Platform {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly processes: Processes;
  readonly network: Network;
  readonly host: Host;
}
