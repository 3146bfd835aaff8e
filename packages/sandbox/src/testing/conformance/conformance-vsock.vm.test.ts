// The agent in a machine, over a real virtio-vsock device with the vhost-user daemon behind it.

import { bootAgentVm } from "../agent-vm.ts";
import { findTestImage } from "../test-image.ts";
import { findTestVsockDaemon } from "../vsock-daemon.ts";
import { describeAgent } from "./suite.ts";
import { type Subject, subject } from "./subject.ts";

const connections = 16;

const image = await findTestImage("amd64");
const daemon = findTestVsockDaemon();
const skip = "skip" in image ? image.skip : "skip" in daemon ? daemon.skip : false;

async function start(): Promise<Subject> {
  if ("skip" in image || "skip" in daemon) throw new TypeError(String(skip));
  const vm = await bootAgentVm(image.image, connections, { vsockDaemon: daemon.program });
  const places = Array.from({ length: connections }, (_, index) => index);
  // The daemon (0.3) does not tell the guest of a connection that is closed with bytes unread, only of one that ends.
  return subject(places, vm.open, async () => vm[Symbol.asyncDispose](), { cut: (stream) => stream.end() });
}

describeAgent("in an amd64 machine, over vsock", start, { skip });
