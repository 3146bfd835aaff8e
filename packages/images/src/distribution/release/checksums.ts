// SHA256SUMS, as sha256sum writes and checks it.

import { KelpieError } from "@kelpie/platform";

/** Largest SHA256SUMS that is read. */
export const maxChecksumsBytes = 1 << 20;

/** File names with their digests in hexadecimal. @throws KelpieError `malformed` naming the line. */
export function parseChecksums(text: string, where: string): Map<string, string> {
  const checksums = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "") continue;
    const match = /^([0-9a-f]{64}) [ *]([^/\\\0]{1,255})$/.exec(line);
    if (match === null) {
      throw new KelpieError("malformed", "Cannot read a line of checksums", {
        expected: "<64 hexadecimal digits>, two spaces and a file's name",
        found: JSON.stringify(line.slice(0, 100)),
        where: `${where}, line ${index + 1}`,
      });
    }
    checksums.set(match[2] ?? "", match[1] ?? "");
  }
  return checksums;
}

/** The text of checksums, in the order of their names. */
export function checksumsText(checksums: ReadonlyMap<string, string>): string {
  return [...checksums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, sha256]) => `${sha256}  ${name}\n`)
    .join("");
}
