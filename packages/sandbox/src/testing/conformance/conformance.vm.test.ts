// The agent in a machine of either architecture, over virtio-serial.

import { architectures } from "@kelpie/platform";
import { bootAgentVm } from "../agent-vm.ts";
import { findTestImage } from "../test-image.ts";
import { describeAgent } from "./suite.ts";
import { type Subject, subject } from "./subject.ts";

const ports = 16;

for (const architecture of architectures) {
  const found = await findTestImage(architecture);
  const start = async (): Promise<Subject> => {
    if ("skip" in found) throw new TypeError(found.skip);
    const vm = await bootAgentVm(found.image, ports);
    const places = Array.from({ length: ports }, (_, index) => index);
    return subject(places, vm.open, async () => vm[Symbol.asyncDispose]());
  };
  const skip = "skip" in found ? found.skip : false;
  describeAgent(`in an ${architecture} machine, over virtio-serial`, start, { skip });
}
