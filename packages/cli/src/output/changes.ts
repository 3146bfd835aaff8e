// Differences for people.

import type { Change } from "@kelpie/images";

/** Lines below a title: "+" for what is new, "-" for what is gone, "~" for what was changed; nothing where nothing was. */
export function formatChanges(title: string, changes: readonly Change[]): string {
  if (changes.length === 0) return "";
  return `${title}\n${changes.map(formatChange).join("")}`;
}

function formatChange({ name, before, after }: Change): string {
  if (before === undefined) return `  + ${name}  ${after ?? ""}\n`;
  if (after === undefined) return `  - ${name}  ${before}\n`;
  return `  ~ ${name}\n      ${before}\n      ${after}\n`;
}
