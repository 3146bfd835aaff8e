// Where Kelpie keeps what it keeps on a machine.

import { join, resolve } from "node:path";
import type { Host } from "./host.ts";

/** KELPIE_HOME, absolute: the environment's, or `~/.kelpie` where that is absent or empty. */
export function kelpieHome({
  environment,
  homeDirectory,
  workingDirectory,
}: Pick<Host, "environment" | "homeDirectory" | "workingDirectory">): string {
  const configured = environment["KELPIE_HOME"] ?? "";
  return configured === "" ? join(homeDirectory, ".kelpie") : resolve(workingDirectory, configured);
}
