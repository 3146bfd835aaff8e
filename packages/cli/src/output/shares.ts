// Where bytes are, for people.

import type { Share } from "@kelpie/images";
import { formatSize } from "./size.ts";
import { formatTable } from "./table.ts";

/** The largest shares with bars; all that follow them are one line. */
export function formatShares(title: string, shares: readonly Share[], limit: number): string {
  const shown = shares.slice(0, limit);
  const rest = shares.slice(limit);
  const total = sum(shares, ({ sizeBytes }) => sizeBytes);
  const all = [
    ...shown,
    ...(rest.length === 0
      ? []
      : [
          {
            name: `${rest.length} more`,
            sizeBytes: sum(rest, ({ sizeBytes }) => sizeBytes),
            files: sum(rest, ({ files }) => files),
          },
        ]),
  ];
  const rows = all.map(({ name, sizeBytes, files }) => {
    const part = total === 0 ? 0 : sizeBytes / total;
    return [
      name,
      formatSize(sizeBytes),
      `${files}`,
      `${(100 * part).toFixed(1)} %`,
      "█".repeat(Math.round(part * 30)),
    ];
  });
  return formatTable([title, "SIZE", "FILES", "PART", ""], rows);
}

function sum<T>(all: readonly T[], of: (each: T) => number): number {
  return all.reduce((total, each) => total + of(each), 0);
}
