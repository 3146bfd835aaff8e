// The vhost-user daemon behind a vsock device, for tests: where tools/test/setup.ts puts the one that it compiles.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The crate at crates.io, where a version never changes; its own lock file names all that it is made of. */
export const vsockDaemonCrate = { name: "vhost-device-vsock", version: "0.3.0" } as const;

/** The directory of this version: what `cargo install --root` fills. */
export function vsockDaemonDirectory(): string {
  const home = process.env["KELPIE_HOME"] ?? join(homedir(), ".kelpie");
  return join(home, "cache/judges", `${vsockDaemonCrate.name}-${vsockDaemonCrate.version}`);
}

/** The program, or why the tests that need it are skipped. */
export function findTestVsockDaemon(): { readonly program: string } | { readonly skip: string } {
  const program = join(vsockDaemonDirectory(), "bin", vsockDaemonCrate.name);
  return existsSync(program)
    ? { program }
    : { skip: `${vsockDaemonCrate.name} is not compiled (tools/test/setup.ts)` };
}
