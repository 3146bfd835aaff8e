// Processes in a row in one guest: how long each takes, and what the agent holds afterwards.
//
//   node packages/sandbox/src/testing/exec-soak.ts [--arch amd64|arm64] [--count 10000] [--at-once 1]
//
// Boots the image of KELPIE_HOME that was built last. Exit code 1 if anything is left: a process, a descriptor, a MiB.

import { parseArgs } from "node:util";
import { realPlatform } from "@kelpie/platform";
import { bootAgentVm } from "./agent-vm.ts";
import { holdings, runMany } from "./conformance/leaves-nothing.ts";
import { requireTestImage } from "./test-image.ts";

const warmUp = 300;

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: realPlatform.host.architecture ?? "amd64" },
    count: { type: "string", default: "10000" },
    "at-once": { type: "string", default: "1" },
  },
});
const image = await requireTestImage(values.arch);

await using vm = await bootAgentVm(image, 1);
await using client = vm.connect(0);
await runMany(client, warmUp, 4);
const before = await holdings(client);
const startMs = performance.now();
const timesMs = await runMany(client, Number(values.count), Number(values["at-once"]));
const seconds = (performance.now() - startMs) / 1000;
const after = await holdings(client);
timesMs.sort((a, b) => a - b);
const at = (fraction: number): string =>
  `${(timesMs[Math.floor((timesMs.length - 1) * fraction)] ?? Number.NaN).toFixed(1)} ms`;
console.log(`${timesMs.length} processes in ${seconds.toFixed(0)} s on ${image.architecture}`);
console.log(`each: median ${at(0.5)}, min ${at(0)}, 95 % ${at(0.95)}, max ${at(1)}`);
console.log("before", before, "after", after);
const leaks =
  after.descriptors > before.descriptors ||
  after.processes > before.processes ||
  after.residentBytes > before.residentBytes + (1 << 20);
process.exitCode = leaks ? 1 : 0;
