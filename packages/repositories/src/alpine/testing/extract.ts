// Puts a tree on a disk by GNU tar, so that tools can look at it.

import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { MemorySink, type TreeEntry, writeTar } from "@kelpie/formats";

/** Extracts `entries` into `directory`, owners and modes included where the caller is root. */
export async function extractTree(entries: Iterable<TreeEntry>, directory: string): Promise<void> {
  const sink = new MemorySink();
  await writeTar(entries, sink);
  await mkdir(directory, { recursive: true });
  const archive = `${directory}.tar`;
  await writeFile(archive, sink.toBytes());
  await promisify(execFile)("tar", ["-xpf", archive, "--numeric-owner", "-C", directory]);
  await rm(archive);
}
