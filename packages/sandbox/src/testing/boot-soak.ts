// Cold boots in a row: how many fail, and how long they take.
//
//   node packages/sandbox/src/testing/boot-soak.ts IMAGE-DIRECTORY [--arch amd64|arm64] [--count 200] [--timeout SECONDS] \
//     [--kernel vmlinuz] [--no-initrd]
//
// IMAGE-DIRECTORY holds rootfs.ext4, vmlinuz and initrd, as a directory of KELPIE_HOME/images does; `--kernel` names another
// file of it, such as vmlinux. A boot counts when
// the guest's agent has run a command. Exit code 1 if any boot failed; the first failures are printed in full.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { architectures, describeError, KelpieError, realPlatform } from "@kelpie/platform";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import { Sandbox } from "../lifecycle/sandbox.ts";

const printedFailures = 5;
const progressEvery = 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    arch: { type: "string", default: realPlatform.host.architecture ?? "amd64" },
    count: { type: "string", default: "200" },
    "no-initrd": { type: "boolean", default: false },
    kernel: { type: "string", default: "vmlinuz" },
    timeout: { type: "string", default: "60" },
  },
});
const [directory] = positionals;
const architecture = architectures.find((name) => name === values.arch);
const count = Number(values.count);
if (directory === undefined || architecture === undefined || !Number.isSafeInteger(count) || count < 1) {
  console.error("usage: boot-soak.ts IMAGE-DIRECTORY [--arch amd64|arm64] [--count N] [--timeout SECONDS]");
  process.exit(2);
}
const image = {
  architecture,
  rootfs: join(directory, "rootfs.ext4"),
  kernel: join(directory, values.kernel),
  initrd: join(directory, "initrd"),
  withoutInitrd: values["no-initrd"],
};

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
const isStopped = (): boolean => stop.signal.aborted;

await using home = await realPlatform.files.temporaryDirectory("kelpie-soak-");
const vmm = await openQemu(realPlatform, { architecture, home: home.path, signal: stop.signal });
console.log(`${count} boots of ${directory} by ${vmm.description}`);

const readyMs: number[] = [];
let failures = 0;
for (let boot = 1; boot <= count && !isStopped(); boot++) {
  const startMs = performance.now();
  try {
    await using sandbox = await Sandbox.create({
      platform: realPlatform,
      vmm,
      image,
      home: home.path,
      start: "cold",
      bootTimeoutMs: Number(values.timeout) * 1000,
      signal: stop.signal,
    });
    readyMs.push(performance.now() - startMs);
    const { end } = await sandbox.exec({ argv: ["true"] }).collect();
    if (end.kind !== "exited" || end.code !== 0)
      throw new KelpieError("internal", `true: ${JSON.stringify(end)}`);
  } catch (error) {
    if (isStopped()) break;
    failures++;
    if (failures <= printedFailures) console.log(`boot ${boot} failed: ${describeError(error)}`);
  }
  if (boot % progressEvery === 0) console.log(`${boot} boots, ${failures} failures`);
}

readyMs.sort((a, b) => a - b);
const at = (fraction: number): string =>
  `${Math.round(readyMs[Math.floor((readyMs.length - 1) * fraction)] ?? Number.NaN)} ms`;
console.log(`${readyMs.length + failures} boots, ${failures} failures`);
console.log(`to the agent's answer: median ${at(0.5)}, min ${at(0)}, 95 % ${at(0.95)}, max ${at(1)}`);
process.exitCode = failures > 0 || isStopped() ? 1 : 0;
