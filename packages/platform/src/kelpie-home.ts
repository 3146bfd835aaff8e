// Where Kelpie keeps what it keeps on a machine.

import { join } from "node:path";
import type { Host } from "./host.ts";

/** KELPIE_HOME: the environment's, or `~/.kelpie` where that is absent or empty. */
export function kelpieHome({
  environment,
  homeDirectory,
}: Pick<Host, "environment" | "homeDirectory">): string {
  const configured = environment["KELPIE_HOME"] ?? "";
  return configured === "" ? join(homeDirectory, ".kelpie") : configured;
}
