// 1 GiB of one process's output, read at full speed, slowly and not at all: how long it takes, and that memory does not grow
// on either side.
//
//   node packages/sandbox/src/testing/output-soak.ts [--arch amd64|arm64] [--mib 1024]
//
// Boots the image of KELPIE_HOME that was built last. Exit code 1 if the agent grew by more than 2 MiB or the host by more than 48.

import { parseArgs } from "node:util";
import { realPlatform } from "@kelpie/platform";
import { bootAgentVm } from "./agent-vm.ts";
import { readings, runOutput } from "./output-memory.ts";
import { requireTestImage } from "./test-image.ts";

const mostAgentBytes = 2 << 20;
const mostHostBytes = 48 << 20;

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: realPlatform.host.architecture ?? "amd64" },
    mib: { type: "string", default: "1024" },
  },
});
const sizeBytes = Number(values.mib) << 20;

await using vm = await bootAgentVm(await requireTestImage(values.arch), 1);
await using client = vm.connect(0);
const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);
for (const reading of readings) {
  const run = await runOutput(client, sizeBytes, reading);
  const { seconds, lostBytes, agentGrewBytes, hostGrewBytes } = run;
  console.log(
    `${values.mib} MiB read ${reading}: ${seconds.toFixed(1)} s, ${mib(lostBytes)} MiB lost; ` +
      `the agent grew by ${mib(agentGrewBytes)} MiB, the host by ${mib(hostGrewBytes)}`,
  );
  if (agentGrewBytes > mostAgentBytes || hostGrewBytes > mostHostBytes) process.exitCode = 1;
}
