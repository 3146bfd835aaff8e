// What is asked of the guest's files as the agent's messages, and what is checked on both ways.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { KelpieError } from "@kelpie/platform";
import {
  type FileInfo,
  type FilePathSchema,
  type ReadFileResponse,
  WriteMode,
} from "./gen/kelpie/agent/v1/file_pb.ts";
import { type GuestFile, guestFile } from "./guest-file.ts";

/** An absolute path of the guest; or one relative to `root` that no link and no `..` can lead out of it. */
export type GuestPath = string | { readonly root: string; readonly path: string };

/** Bytes to send: at once, or as they come. */
export type Content = Uint8Array | AsyncIterable<Uint8Array>;

/** What the agent takes in one message (file.proto). */
const chunkBytes = 64 << 10;

/** The file that was asked about, whatever the guest calls it. */
export function fileAt(path: GuestPath, info: FileInfo | undefined): GuestFile {
  return { ...guestFile(info), path: typeof path === "string" ? path : path.path };
}

export function hasNoData({ part }: ReadFileResponse): boolean {
  return part.case !== "data" || part.value.length === 0;
}

export function moreThanAsked(lengthBytes: number): KelpieError {
  return new KelpieError("malformed", "The guest sends more of a file than it was asked for", {
    expected: `at most ${lengthBytes} bytes`,
  });
}

export function requireWhole(what: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw new KelpieError("invalid-input", `No part of a file can have this: ${what}`, {
    expected: "a whole number from 0",
    found: `${value}`,
  });
}

export const writeModes = {
  replace: WriteMode.REPLACE,
  create: WriteMode.CREATE,
  append: WriteMode.APPEND,
} as const;

export function place(path: GuestPath): MessageInitShape<typeof FilePathSchema> {
  return typeof path === "string" ? { path } : { path: path.path, root: path.root };
}

export function name(path: GuestPath): string {
  return typeof path === "string" ? path : `${path.path} in ${path.root}`;
}

export async function* inChunks(content: Content): AsyncGenerator<Uint8Array> {
  for await (const bytes of content instanceof Uint8Array ? [content] : content)
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

/** The fields that have a value: a message's absent field is another thing than one that is undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]?: NonNullable<T[K]> };
}
