// The sources of the guest's programs: read whole, so that what is digested is what is compiled, whoever edits meanwhile.

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { type Files, KelpieError } from "@kelpie/platform";

const maxFiles = 5000;
const maxTotalBytes = 64 << 20;
/** What a checkout has beside the sources; a change in tests or in what is written about them compiles nothing anew. */
const left = new Set(["target", ".git", "node_modules", "tests", "README.md"]);

/** The sources by their path relative to the directory that holds `guest/`. */
export interface GuestSource {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Of every path and content, in hexadecimal. */
  readonly sha256: string;
}

/** Reads `guest/`. @throws KelpieError `not-found`, `limit-exceeded`. */
export async function readGuestSource(
  files: Pick<Files, "lstat" | "list" | "readFile">,
  sourceDirectory: string,
): Promise<GuestSource> {
  if ((await files.lstat(join(sourceDirectory, "Cargo.lock"))) === undefined) {
    throw new KelpieError("not-found", "The sources of the guest's programs are not there", {
      expected: "a Cargo workspace",
      where: sourceDirectory,
      help: "Run Kelpie from a checkout.",
    });
  }
  const found = new Map<string, Uint8Array>();
  await readBelow(files, sourceDirectory, "guest", found);
  const hash = createHash("sha256");
  for (const [path, content] of found) hash.update(`${path}\0${content.length}\0`).update(content);
  return { files: found, sha256: hash.digest("hex") };
}

async function readBelow(
  files: Pick<Files, "lstat" | "list" | "readFile">,
  directory: string,
  name: string,
  found: Map<string, Uint8Array>,
): Promise<void> {
  for (const entry of await files.list(directory)) {
    const path = join(directory, entry);
    const status = await files.lstat(path);
    if (left.has(entry) || status === undefined) continue;
    if (status.kind === "directory") {
      await readBelow(files, path, `${name}/${entry}`, found);
    } else if (status.kind === "file") {
      found.set(`${name}/${entry}`, await files.readFile(path, maxTotalBytes));
      requireBounds(found);
    }
  }
}

function requireBounds(found: ReadonlyMap<string, Uint8Array>): void {
  const totalBytes = found.values().reduce((sum, { length }) => sum + length, 0);
  if (found.size <= maxFiles && totalBytes <= maxTotalBytes) return;
  throw new KelpieError("limit-exceeded", "The sources of the guest's programs are too large", {
    expected: `at most ${maxFiles} files and ${maxTotalBytes} bytes`,
    found: `${found.size} files and ${totalBytes} bytes`,
  });
}

/** Puts the sources into an empty directory. */
export async function writeGuestSource(
  files: Pick<Files, "makeDirectory" | "open">,
  directory: string,
  source: GuestSource,
): Promise<void> {
  for (const [name, content] of source.files) {
    const path = join(directory, name);
    await files.makeDirectory(dirname(path));
    await using handle = await files.open(path, "create");
    await handle.write(content, 0);
  }
}
