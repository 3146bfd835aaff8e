// A chaos run against the agent of one guest, for as long as one likes.
//
//   node packages/sandbox/src/testing/chaos-run.ts [--arch amd64|arm64] [--seconds 60] [--seed N] [--kill-every SECONDS]
//   KELPIE_AGENT=PROGRAM node packages/sandbox/src/testing/chaos-run.ts --host …
//
// Boots the image of KELPIE_HOME that was built last; with --host the agent is a process of this machine instead. Prints
// what came of it, and fails where an end was lost or garbled, or a process ran twice.

import { parseArgs } from "node:util";
import { realPlatform } from "@kelpie/platform";
import { bootAgentVm } from "./agent-vm.ts";
import { startAgentProcess } from "./conformance/agent-process.ts";
import { type ChaosOptions, type ChaosResult, failures, makeChaos } from "./conformance/chaos.ts";
import { requireTestImage } from "./test-image.ts";

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: realPlatform.host.architecture ?? "amd64" },
    host: { type: "boolean", default: false },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    "kill-every": { type: "string", default: "5" },
  },
});
const wanted = {
  seed: Number(values.seed),
  forMs: Number(values.seconds) * 1000,
  ports: [1, 2, 3, 4, 5, 6],
  calmPort: 0,
  killEveryMs: Number(values["kill-every"]) * 1000,
};

async function inMachine(): Promise<ChaosResult> {
  const image = await requireTestImage(values.arch);
  await using vm = await bootAgentVm(image, 7);
  return await makeChaos({ ...wanted, open: vm.open });
}

async function onHost(): Promise<ChaosResult> {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-chaos-");
  const start = () => startAgentProcess(process.env["KELPIE_AGENT"] ?? "", directory.path);
  let agent = start();
  const options: ChaosOptions = {
    ...wanted,
    // Whoever connects while there is none waits, as a guest's port lets one wait.
    open: async (_, signal) => await realPlatform.network.connectUnix((await agent).socket, signal),
    async kill() {
      const dead = await agent;
      agent = (async () => {
        await dead[Symbol.asyncDispose]();
        return await start();
      })();
      await agent;
    },
  };
  try {
    return await makeChaos(options);
  } finally {
    await (await agent)[Symbol.asyncDispose]();
  }
}

const result = await (values.host ? onHost() : inMachine());
console.log(result);
if (failures(result).length > 0) process.exitCode = 1;
