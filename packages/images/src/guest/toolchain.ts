// What compiles the guest's programs, whichever way it got here.

import type { Architecture, Platform } from "@kelpie/platform";

/** The triples that Rust knows an architecture by, and Debian's, which names directories. */
export interface Machine {
  /** "x86_64" or "aarch64". */
  readonly name: string;
  readonly glibcTarget: string;
  readonly muslTarget: string;
  readonly debianTriplet: string;
  /** Of glibc, from the root. */
  readonly loader: string;
}

export const machines: Readonly<Record<Architecture, Machine>> = {
  amd64: {
    name: "x86_64",
    glibcTarget: "x86_64-unknown-linux-gnu",
    muslTarget: "x86_64-unknown-linux-musl",
    debianTriplet: "x86_64-linux-gnu",
    loader: "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
  },
  arm64: {
    name: "aarch64",
    glibcTarget: "aarch64-unknown-linux-gnu",
    muslTarget: "aarch64-unknown-linux-musl",
    debianTriplet: "aarch64-linux-gnu",
    loader: "lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
  },
};

/** A compiler that is ready to build for one architecture. */
export interface Toolchain {
  /** As it names itself: "rustc 1.96.0 (ac68faa20 2026-05-25)". */
  readonly compiler: string;
  /** What its output depends on, beside the sources, in one line; part of the key of finished binaries. */
  readonly identity: string;
  /** Rust's name of the target. */
  readonly target: string;
  /**
   * Writes what cargo needs into `directory`, which is empty, and says how to run it there. No path may reach the binaries:
   * neither of the tools nor of the sources.
   */
  prepare(directory: string): Promise<CargoCommand>;
}

export interface CargoCommand {
  readonly program: string;
  /** Variables on top of those that {@link cargoEnvironment} lets through. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What every tool-chain is asked for with. */
export interface ToolchainOptions {
  readonly platform: Platform;
  readonly home: string;
  readonly architecture: Architecture;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Variables by which a person tells cargo how to reach a registry; all others might reach the binaries. */
const passedOn =
  /^(?:PATH|HOME|CARGO_HOME|TMPDIR|LANG|(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)|CURL_CA_BUNDLE|CARGO_(?:HTTP|NET|REGISTRY|REGISTRIES|SOURCE)_.+|RUSTUP_.+)$/i;

/** The person's own variables, as far as a build may see them. */
export function cargoEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const known = Object.entries(environment).filter(
    (variable): variable is [string, string] => variable[1] !== undefined && passedOn.test(variable[0]),
  );
  return Object.fromEntries(known);
}
