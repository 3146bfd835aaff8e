// What a spec names, opened and resolved: everything of a build that may reach the network.

import { Repositories } from "./repositories.ts";
import type { ResolvedKernel, ResolvedUserland } from "./resolved.ts";
import { resolveKernel } from "./resolve-kernel.ts";
import { resolveUserland } from "./resolve-userland.ts";
import type { SourceOptions } from "./source-options.ts";

/** A spec's sources: what a plan says of them, and the way to the bytes. */
export interface Sources {
  readonly packages: ResolvedUserland["packages"];
  readonly kernel: ResolvedKernel["plan"];
  readonly fetchUserland: ResolvedUserland["fetch"];
  readonly fetchKernel: ResolvedKernel["fetch"];
}

/** @throws KelpieError `unreachable`, `unresolvable`, `signature-invalid`, `untrusted-key`, `invalid-input`. */
export async function openSources(options: SourceOptions, note: (text: string) => void): Promise<Sources> {
  const repositories = new Repositories(options, note);
  const userland = await resolveUserland(options, repositories);
  const kernel = await resolveKernel(options, repositories);
  return {
    packages: userland.packages,
    kernel: kernel.plan,
    fetchUserland: userland.fetch,
    fetchKernel: kernel.fetch,
  };
}
