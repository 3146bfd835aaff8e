// Names with wildcards in a guest's directories, as a shell has them: *, ? and [a-z], never across a slash.

import { KelpieError } from "@kelpie/platform";
import type { GuestFiles } from "../agent/guest-files.ts";

const maxMatches = 100_000;

/** Whether a path has a wildcard. */
function hasWildcard(path: string): boolean {
  return /[*?[]/.test(path);
}

/** The name as a pattern. A leading dot is matched only by a dot; a bracket without its end is itself. */
export function namePattern(pattern: string): RegExp {
  let source = pattern.startsWith(".") ? "" : "(?!\\.)";
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    const end = character === "[" ? pattern.indexOf("]", at + 2) : -1;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (end !== -1) {
      const members = pattern.slice(at + 1, end);
      const isNegated = members.startsWith("!") || members.startsWith("^");
      source += `[${isNegated ? "^/" : ""}${members.slice(isNegated ? 1 : 0).replaceAll(/[\\\]^[]/g, String.raw`\$&`)}]`;
      at = end;
    } else source += character.replaceAll(/[\\^$.|+(){}[\]]/g, String.raw`\$&`);
  }
  try {
    return new RegExp(`^${source}$`, "su");
  } catch {
    // A range that ends before it begins matches nothing.
    return /(?!)/;
  }
}

/** The guest's paths that the absolute `path` stands for, in order; itself where it has no wildcard. `limit-exceeded`. */
export async function expandGuestPath(
  files: GuestFiles,
  path: string,
  signal: AbortSignal,
): Promise<string[]> {
  if (!hasWildcard(path)) return [path];
  let found = [""];
  for (const part of path.split("/").filter((name) => name !== "")) {
    if (!hasWildcard(part)) {
      found = found.map((parent) => `${parent}/${part}`);
      continue;
    }
    const pattern = namePattern(part);
    const next: string[] = [];
    for (const parent of found) {
      for (const name of await namesIn(files, parent === "" ? "/" : parent, signal)) {
        if (!pattern.test(name)) continue;
        if (next.length >= maxMatches) throw tooMany(path);
        next.push(`${parent}/${name}`);
      }
    }
    found = next;
  }
  return found.sort();
}

/** Copying some of them would look like copying all. */
function tooMany(where: string): KelpieError {
  return new KelpieError("limit-exceeded", "Too many files of the sandbox to look for names among", {
    expected: `at most ${maxMatches}`,
    where,
  });
}

async function namesIn(files: GuestFiles, directory: string, signal: AbortSignal): Promise<string[]> {
  const status = await files.stat(directory, { signal });
  if (status?.kind !== "directory") return [];
  const names: string[] = [];
  for await (const { path } of files.list(directory, { signal })) {
    if (names.length >= maxMatches) throw tooMany(directory);
    names.push(path);
  }
  return names;
}
