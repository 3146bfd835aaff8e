// Where things stand under KELPIE_HOME, and what a directory's name says.

import { type Architecture, architectures, type ProcessIdentity } from "@kelpie/platform";
import { formatImageVersion, type ImageVersion, tryParseImageVersion } from "../version/image-version.ts";

/**
 * The name of an image's directory: its version for the host's own architecture, `<version>.<arch>` for another.
 */
export function imageDirectoryName(
  version: ImageVersion,
  architecture: Architecture,
  hostArchitecture: Architecture | undefined,
): string {
  const text = formatImageVersion(version);
  return architecture === hostArchitecture ? text : `${text}.${architecture}`;
}

/** What a directory's name says, or undefined where it is not the name of an image. */
export function parseImageDirectoryName(
  name: string,
  hostArchitecture: Architecture | undefined,
): { readonly version: ImageVersion; readonly architecture: Architecture } | undefined {
  const architecture = architectures.find((candidate) => name.endsWith(`.${candidate}`)) ?? hostArchitecture;
  if (architecture === undefined) return undefined;
  const version = tryParseImageVersion(
    name.endsWith(`.${architecture}`) ? name.slice(0, -architecture.length - 1) : name,
  );
  return version === undefined ? undefined : { version, architecture };
}

/** A directory that is being filled or removed by process `owner`; hidden from every listing. */
export function stagingName(owner: ProcessIdentity, random: string): string {
  return `.staging.${owner.pid}-${owner.startTime}.${random}`;
}

/** The process that owns a staging directory, or undefined for any other name. */
export function stagingOwner(name: string): ProcessIdentity | undefined {
  const [, pid, startTime] = /^\.staging\.(\d{1,10})-(\w{1,32})\.[0-9a-f]+$/.exec(name) ?? [];
  return pid === undefined || startTime === undefined ? undefined : { pid: Number(pid), startTime };
}

/** Where the directory `name` stands for the moment in which another takes its place. */
export function replacedName(name: string): string {
  return `.replaced.${name}`;
}

/** The name that a replaced directory had, or undefined for any other name. */
export function nameOfReplaced(name: string): string | undefined {
  return name.startsWith(".replaced.") ? name.slice(".replaced.".length) : undefined;
}
