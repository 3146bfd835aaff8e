// How a root file system wants to be run: its environment, shell and working directory.

import type { FileTree } from "@kelpie/formats";
import { lookUp, readText } from "../../rootfs/image-tree.ts";

export interface ContainerSettings {
  /** `NAME=value`. */
  readonly environment: readonly string[];
  /** The shell that stands for a command where none is given. */
  readonly shell: string;
  readonly workingDirectory: string;
}

const environmentPath = "/etc/kelpie/environment";
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Reads them from the tree, by the boot contract's places. @throws KelpieError `limit-exceeded`. */
export async function containerSettings(tree: FileTree): Promise<ContainerSettings> {
  const text = (await readText(tree, environmentPath)) ?? "";
  const lines = text.split("\n").filter((line) => /^[^=#]+=/.test(line));
  const hasPath = lines.some((line) => line.startsWith("PATH="));
  return {
    environment: hasPath ? lines : [defaultPath, ...lines],
    shell: lookUp(tree, "/bin/bash")?.kind === "file" ? "/bin/bash" : "/bin/sh",
    workingDirectory: lookUp(tree, "/workspace")?.kind === "directory" ? "/workspace" : "/",
  };
}
