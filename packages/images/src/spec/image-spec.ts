// A spec that is complete: what it extends merged in, defaults filled, paths absolute, one architecture chosen.

import type { Architecture } from "@kelpie/platform";
import type { Effect } from "../effects/effect.ts";
import type { BaseTarball, FileSpec, GroupSpec, MountSpec, ServiceSpec, UserSpec } from "./schema.ts";

export interface AlpineSource {
  readonly url: string;
  readonly tag?: string;
}

export interface DebianSource {
  readonly release: string;
  readonly suites?: readonly string[];
  readonly components?: readonly string[];
  readonly mirror?: string;
}

/** Where the kernel comes from, for one architecture. */
export type KernelSource =
  | { readonly source: "alpine" | "debian"; readonly package: string }
  /** Kelpie's own; `config` names further fragments of its configuration. */
  | { readonly source: "kelpie"; readonly config: readonly string[] }
  | { readonly source: "path"; readonly image: string; readonly modules: string };

/** What kelpie-init does beside starting the agent. */
export interface InitOptions {
  /** Run in this order, one after the other. */
  readonly services: readonly ServiceSpec[];
  readonly mounts: readonly MountSpec[];
}

/** A root file system that an image starts from. */
export interface ImageBase extends BaseTarball {
  /** Where the spec says that it is, if that is a URL: `tarball` may be a local copy. */
  readonly url: string | undefined;
}

/** A spec for one architecture. Paths of the host are absolute. */
export interface ImageSpec {
  readonly name: string;
  readonly description: string;
  /** A release version, as a person writes it: "1.0.0". */
  readonly version: string;
  readonly architecture: Architecture;
  readonly distribution: "alpine" | "debian";
  readonly base: ImageBase | undefined;
  readonly repositories: {
    readonly alpine: readonly AlpineSource[];
    readonly debian: DebianSource | undefined;
  };
  /** Paths of key files and of directories of them. */
  readonly keys: { readonly alpine: readonly string[]; readonly debian: readonly string[] };
  readonly packages: readonly string[];
  readonly assume: readonly string[];
  readonly kernel: KernelSource;
  readonly files: Readonly<Record<string, FileSpec>>;
  readonly overlays: readonly string[];
  readonly users: readonly UserSpec[];
  readonly groups: readonly GroupSpec[];
  readonly environment: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly init: InitOptions;
  readonly sizeBytes: number | undefined;
  readonly freeBytes: number | undefined;
  readonly journalBytes: number | undefined;
  readonly scripts: Readonly<Record<string, "skip" | readonly Effect[]>>;
}
