// A chaos run against the agent of one guest, for as long as one likes.
//
//   node packages/sandbox/src/testing/chaos-run.ts [--arch amd64|arm64] [--seconds 60] [--seed N] [--kill-every SECONDS]
//
// Boots the image of KELPIE_HOME that was built last. Fails at the first end that is lost and the first process that
// ran twice.

import { parseArgs } from "node:util";
import { realPlatform } from "@kelpie/platform";
import { bootAgentVm } from "./agent-vm.ts";
import { makeChaos } from "./conformance/chaos.ts";
import { requireTestImage } from "./test-image.ts";

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: realPlatform.host.architecture ?? "amd64" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    "kill-every": { type: "string", default: "5" },
  },
});
const image = await requireTestImage(values.arch);
await using vm = await bootAgentVm(image, 7);
const result = await makeChaos({
  seed: Number(values.seed),
  forMs: Number(values.seconds) * 1000,
  ports: [1, 2, 3, 4, 5, 6],
  calmPort: 0,
  open: vm.open,
  killEveryMs: Number(values["kill-every"]) * 1000,
});
console.log(result);
