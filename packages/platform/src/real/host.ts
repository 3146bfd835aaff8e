// This machine and this process.

import os from "node:os";
import type { Architecture, Host } from "../host.ts";

const architectureOfNode: Readonly<Record<string, Architecture>> = { x64: "amd64", arm64: "arm64" };

function operatingSystem(): Host["operatingSystem"] {
  return process.platform === "linux" || process.platform === "darwin" ? process.platform : "other";
}

export const realHost: Host = {
  operatingSystem: operatingSystem(),
  architecture: architectureOfNode[process.arch],
  cpuCount: os.availableParallelism(),
  memoryBytes: os.totalmem(),
  // Empty where HOME is.
  homeDirectory: os.homedir() || os.userInfo().homedir,
  workingDirectory: process.cwd(),
  program: process.execPath,
  pid: process.pid,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  environment: process.env,
};
