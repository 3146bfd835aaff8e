// A file of the guest as its agent tells of it: checked, since a guest may say anything, and small.

import { KelpieError, printableLine } from "@kelpie/platform";
import {
  FileChangeKind,
  type FileInfo,
  FileType,
  type WatchFilesResponse,
} from "./gen/kelpie/agent/v1/file_pb.ts";

/** What a file is. */
export type GuestFileKind =
  | "file"
  | "directory"
  | "symlink"
  | "fifo"
  | "socket"
  | "character-device"
  | "block-device"
  | "unknown";

/** A file of the guest. */
export interface GuestFile {
  /** As it was asked for; in a listing relative to the listed directory, never leading out of it. */
  readonly path: string;
  readonly kind: GuestFileKind;
  /** Permission bits, setuid, setgid and sticky among them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Where a symbolic link points; empty for everything else. */
  readonly linkTarget: string;
}

/** A change of a watched file or directory; `lost` where changes came faster than they were taken: look again. */
export type GuestFileChange =
  | {
      readonly kind: "created" | "written" | "attributes" | "removed";
      /** Relative to what is watched. */
      readonly path: string;
      readonly isDirectory: boolean;
    }
  | { readonly kind: "lost" };

const kinds: Readonly<Record<FileType, GuestFileKind>> = {
  [FileType.UNSPECIFIED]: "unknown",
  [FileType.REGULAR]: "file",
  [FileType.DIRECTORY]: "directory",
  [FileType.SYMLINK]: "symlink",
  [FileType.FIFO]: "fifo",
  [FileType.SOCKET]: "socket",
  [FileType.CHARACTER_DEVICE]: "character-device",
  [FileType.BLOCK_DEVICE]: "block-device",
};
const maxPathLength = 4095;

/** The agent's message as a value; `malformed` where there is none. */
export function guestFile(info: FileInfo | undefined): GuestFile {
  if (info === undefined) throw malformed("a file", "nothing");
  if (info.linkTarget.length > maxPathLength || info.linkTarget.includes("\0")) {
    throw malformed(
      `a link's target of at most ${maxPathLength} characters`,
      printableLine(info.linkTarget).slice(0, 200),
    );
  }
  return {
    path: info.path,
    kind: kinds[info.type] ?? "unknown",
    mode: info.mode & 0o7777,
    uid: info.uid,
    gid: info.gid,
    sizeBytes: Number(info.sizeBytes),
    modifiedMs: Number(info.modifiedUnixNs / 1_000_000n),
    linkTarget: info.linkTarget,
  };
}

/** As {@link guestFile}, of a listing: the path must stay in the listed directory and be at most `depth` deep. */
export function listedFile(info: FileInfo, depth: number): GuestFile {
  const file = guestFile(info);
  requireBelow(file.path, depth);
  return file;
}

/** One message of a watch; nothing for one that says nothing. `malformed` where a path leads out of what is watched. */
export function fileChange({ event }: WatchFilesResponse): GuestFileChange | undefined {
  switch (event.case) {
    case "started":
    case undefined:
      return undefined;
    case "lost":
      return { kind: "lost" };
    case "change": {
      const { path, kind, directory } = event.value;
      const known = changeKinds[kind];
      if (known === undefined) return undefined;
      // The watched thing itself has no path relative to itself.
      if (path !== "") requireBelow(path, maxPathLength);
      return { kind: known, path, isDirectory: directory };
    }
    default:
      return event satisfies never;
  }
}

const changeKinds: Readonly<
  Partial<Record<FileChangeKind, "created" | "written" | "attributes" | "removed">>
> = {
  [FileChangeKind.CREATED]: "created",
  [FileChangeKind.WRITTEN]: "written",
  [FileChangeKind.ATTRIBUTES]: "attributes",
  [FileChangeKind.REMOVED]: "removed",
};

function requireBelow(path: string, depth: number): void {
  const names = path.split("/");
  const isName = (name: string): boolean =>
    name !== "" && name !== "." && name !== ".." && !name.includes("\0");
  if (path.length <= maxPathLength && names.length <= depth && names.every(isName)) return;
  throw malformed(`a path below the directory, at most ${depth} deep`, printableLine(path).slice(0, 200));
}

function malformed(expected: string, found: string): KelpieError {
  return new KelpieError("malformed", "The guest tells of a file as there can be none", { expected, found });
}
